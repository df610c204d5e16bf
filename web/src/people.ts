import type { PeopleList, PersonInRoom } from '../../lib/provider/index.ts';
import { colorClass, nameOf, type Person } from './identity.ts';
import { make } from './make.ts';

/** Keeps the list of the others up to date: one chip for a person, however many tabs are open. */
export function showPeople(people: PeopleList, elements: { list: HTMLElement; alone: HTMLElement }): void {
  const render = (everybody: readonly PersonInRoom[]) => {
    const chips = everybody
      .filter(({ isSelf }) => !isSelf)
      .flatMap((person) => chipOf(person) ?? [])
      .sort((a, b) => a.name.localeCompare(b.name) || a.userId.localeCompare(b.userId));
    elements.list.replaceChildren(...chips.map(({ item }) => item));
    elements.alone.hidden = chips.length > 0;
  };
  people.on('people', (event) => render(event.people));
  render(people.list());
}

/** Undefined as long as nobody has said who it is: the server, or the first tab of the person. */
function chipOf({ userId, user, connections, awareness }: PersonInRoom) {
  const tab = awareness.find(({ state }) => state.user);
  const shown = tab?.state.user as Partial<Person> | undefined;
  if (user.name === undefined && !tab) return undefined;
  const name = nameOf(user.name === undefined ? shown : { name: user.name });
  const swatch = make('span', { className: `swatch ${tab ? colorClass(shown, tab.clientId) : ''}` });
  swatch.setAttribute('aria-hidden', 'true');
  const item = make('li', {}, swatch, make('span', {}, name));
  if (connections > 1) item.title = `${connections} tabs`;
  return { userId, name, item };
}
