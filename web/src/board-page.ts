import { openRoom } from './editor-page.ts';
import { element } from './elements.ts';
import { make } from './make.ts';
import { showPeople } from './people.ts';
import { showMembers, showInvites, type BoardRole } from './share.ts';
import { Problem, type Session } from './session.ts';
import { showGate, showPart, view } from './shell.ts';

interface Board {
  id: string;
  name: string;
  role: BoardRole;
}

/** A board: its text, who is there, and who may open it. */
export async function showBoard(session: Session, boardId: string): Promise<void> {
  let board: Board;
  const path = `/api/boards/${encodeURIComponent(boardId)}`;
  try {
    board = await session.ask<Board>('GET', path);
  } catch (error) {
    if (!(error instanceof Problem) || (error.status !== 404 && error.status !== 422)) throw error;
    const back = make('a', { href: '/', className: 'button' }, 'Your boards');
    return showGate('There is no such board', 'It has been deleted, or it is not shared with you.', back);
  }
  document.title = `${board.name} · y-kafka`;
  element('room-label').textContent = 'Board';
  element('room').textContent = board.name;
  element<HTMLButtonElement>('copy').hidden = true;
  const back = element<HTMLAnchorElement>('fresh');
  back.textContent = 'All boards';
  back.href = '/';
  element('alone').textContent = 'Nobody else is here.';
  element('share').hidden = false;
  showPart('workspace');

  const members = showMembers(session, board);
  showInvites(session, board);
  showRole(board.role);
  members.refresh(board.role);
  const getToken = () => session.token();
  const refresh = () => {
    session.ask<Board>('GET', path).then(
      ({ role }) => {
        showRole(role);
        members.refresh(role);
      },
      (error: Error) => view.showNotice(error.message),
    );
  };
  const room = openRoom({
    roomId: board.id,
    person: session.user,
    getToken,
    onClosed: showClosed,
    onOpenedAgain() {
      element('share').hidden = false;
      refresh();
    },
  });
  showPeople(room.manager.people, { list: element('people'), alone: element('alone') });
  room.manager.presence.on('presence-join', () => members.refresh());
  room.manager.on('read-only', refresh);
}

function showClosed(): void {
  element('share').hidden = true;
  view.showNotice('This board is no longer shared with you.', {
    label: 'Your boards',
    run: () => location.assign('/'),
  });
}

function showRole(role: BoardRole): void {
  const badge = element('role');
  badge.hidden = false;
  badge.textContent = role;
  element('invite').hidden = role === 'viewer';
}
