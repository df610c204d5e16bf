import { openRoom } from './editor-page.ts';
import { element } from './elements.ts';
import { showPeople } from './people.ts';
import { freshRoom, linkTo, roomOf } from './room.ts';
import { offerCopy, showPart } from './shell.ts';

/** The page where nobody signs in: whoever knows a room's name edits it. */
export function showOpenPage(): void {
  const roomId = roomOf(new URL(location.href));
  document.title = `${roomId} · y-kafka`;
  element('room').textContent = roomId;
  element('open-to-all').hidden = false;
  element<HTMLAnchorElement>('fresh').href = linkTo(freshRoom(), location.origin);
  offerCopy(element<HTMLButtonElement>('copy'), () => linkTo(roomId, location.origin));
  showPart('workspace');
  const { manager } = openRoom({ roomId });
  showPeople(manager.people, { list: element('people'), alone: element('alone') });
}
