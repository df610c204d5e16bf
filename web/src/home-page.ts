import { element } from './elements.ts';
import { make } from './make.ts';
import type { Session } from './session.ts';
import type { BoardRole } from './share.ts';
import { showPart, view } from './shell.ts';

interface Board {
  id: string;
  name: string;
  role: BoardRole;
  updatedAt: string;
}

interface Workspace {
  id: string;
  type: 'personal' | 'team';
}

/** One's boards, and a field for a new one. */
export async function showHome(session: Session): Promise<void> {
  document.title = 'Your boards · y-kafka';
  const { rows } = await session.ask<{ rows: Board[] }>('GET', '/api/boards?pageSize=100');
  const items = rows.map(({ id, name, role }) =>
    make(
      'li',
      {},
      make('a', { href: boardLink(id), className: 'board-name' }, name),
      make('span', { className: 'role' }, role),
    ),
  );
  element('boards').replaceChildren(...items);
  element('no-boards').hidden = items.length > 0;
  element<HTMLFormElement>('new-board').onsubmit = (event) => {
    event.preventDefault();
    makeBoard(session, element<HTMLInputElement>('new-board-name').value).then(
      ({ id }) => location.assign(boardLink(id)),
      (error: Error) => view.showNotice(error.message),
    );
  };
  showPart('home');
}

export function boardLink(boardId: string): string {
  return `/?board=${encodeURIComponent(boardId)}`;
}

/** In the own workspace, which everybody has. */
async function makeBoard(session: Session, name: string): Promise<Board> {
  const { rows } = await session.ask<{ rows: Workspace[] }>(
    'GET',
    '/api/workspaces?sort=createdAt&pageSize=100',
  );
  const own = rows.find(({ type }) => type === 'personal') ?? rows[0];
  if (!own) throw new Error('There is no workspace for it.');
  return session.ask<Board>('POST', `/api/workspaces/${own.id}/boards`, { name });
}
