import type { Awareness } from 'y-protocols/awareness';

/** Colours of people, as the stylesheet names them: class `c<index>`. The text on them is white. */
export const COLORS = [
  '#2563eb',
  '#be123c',
  '#15803d',
  '#7c3aed',
  '#b45309',
  '#0e7490',
  '#a21caf',
  '#4d7c0f',
  '#c2410c',
  '#475569',
] as const;

const NAME_KEY = 'y-kafka.name';
const MAX_NAME_LENGTH = 32;
const FIRST = ['Amber', 'Brisk', 'Calm', 'Clever', 'Curious', 'Gentle', 'Keen', 'Lucky', 'Quiet', 'Sunny'];
const SECOND = ['Badger', 'Crane', 'Fox', 'Heron', 'Lynx', 'Marten', 'Otter', 'Owl', 'Robin', 'Wren'];

/** What others see of a person. The shape is the one that y-codemirror.next and other editors read, too. */
export interface Person {
  name: string;
  color: string;
  colorLight: string;
}

/** The name chosen before; else one for this tab, so that two tabs can be told apart. */
export function loadName(): string {
  const chosen = localStorage.getItem(NAME_KEY) ?? sessionStorage.getItem(NAME_KEY);
  if (chosen) return chosen;
  const [a, b] = crypto.getRandomValues(new Uint8Array(2));
  const name = `${FIRST[a! % FIRST.length]} ${SECOND[b! % SECOND.length]}`;
  sessionStorage.setItem(NAME_KEY, name);
  return name;
}

/** Keeps a name for next time; an empty one forgets it. Returns the name to show. */
export function saveName(text: string): string {
  const name = text.trim().slice(0, MAX_NAME_LENGTH);
  if (name === '') localStorage.removeItem(NAME_KEY);
  else localStorage.setItem(NAME_KEY, name);
  return name === '' ? loadName() : name;
}

/** The stylesheet's class of a person; foreign colours get one by client id. */
export function colorClass(person: Partial<Person> | undefined, clientId: number): string {
  const known = COLORS.indexOf((person?.color ?? '') as (typeof COLORS)[number]);
  return `c${known >= 0 ? known : clientId % COLORS.length}`;
}

export function nameOf(person: Partial<Person> | undefined): string {
  const name = typeof person?.name === 'string' ? person.name.trim().slice(0, MAX_NAME_LENGTH) : '';
  return name || 'Somebody';
}

/** Publishes the name, with a colour that nobody with a lower client id has. */
export function publishPerson(awareness: Awareness, name: string): void {
  const own = awareness.clientID;
  const taken = new Set<number>();
  for (const [id, state] of awareness.getStates()) {
    if (id < own) taken.add(Number(colorClass(state.user as Partial<Person>, id).slice(1)));
  }
  let index = own % COLORS.length;
  for (let tries = 0; taken.has(index) && tries < COLORS.length; tries++) index = (index + 1) % COLORS.length;
  const color = COLORS[index]!;
  const before = awareness.getLocalState()?.user as Person | undefined;
  if (before?.name === name && before.color === color) return;
  const person: Person = { name, color, colorLight: `${color}33` };
  awareness.setLocalStateField('user', person);
}
