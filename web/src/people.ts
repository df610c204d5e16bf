import type { Awareness } from 'y-protocols/awareness';
import { colorClass, nameOf, type Person } from './identity.ts';

/** Keeps the list of the others up to date. */
export function showPeople(awareness: Awareness, elements: { list: HTMLElement; alone: HTMLElement }): void {
  const render = () => {
    const others = [...awareness.getStates()].filter(
      ([id, state]) => id !== awareness.clientID && state.user,
    );
    const items = others
      .map(([id, state]) => ({ id, user: state.user as Partial<Person> }))
      .sort((a, b) => nameOf(a.user).localeCompare(nameOf(b.user)) || a.id - b.id)
      .map(({ id, user }) => {
        const item = document.createElement('li');
        const swatch = document.createElement('span');
        swatch.className = `swatch ${colorClass(user, id)}`;
        swatch.setAttribute('aria-hidden', 'true');
        const name = document.createElement('span');
        name.textContent = nameOf(user);
        item.append(swatch, name);
        return item;
      });
    elements.list.replaceChildren(...items);
    elements.alone.hidden = items.length > 0;
  };
  awareness.on('change', render);
  render();
}
