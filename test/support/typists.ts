import * as Y from 'yjs';
import { ProtocolManager, type ManagerEvents } from '../../lib/provider/index.ts';
import { Stopwatch } from './stopwatch.ts';

/** What an application would show its user as an error. */
const TROUBLES = [
  'update-refused',
  'update-failed',
  'join-refused',
  'permission-denied',
  'document-replaced',
  'protocol-error',
] as const satisfies readonly (keyof ManagerEvents)[];

export interface TypistOptions {
  /** Gateways in the order in which they are tried. */
  urls: readonly string[];
  room: string;
  /** Unique in the room, without `;`. */
  name: string;
}

/** A person with a real provider: types numbered words into a text and notes what happens to the connection. */
export class Typist {
  readonly doc = new Y.Doc();
  readonly manager: ProtocolManager;
  readonly name: string;
  /** Events that a user must not see. */
  readonly troubles: string[] = [];
  /** Milliseconds of each time without a synced document, once it had one, as far as this process ran. */
  readonly outages: number[] = [];
  typed = 0;
  #lost: Stopwatch | undefined;

  constructor({ urls, room, name }: TypistOptions) {
    this.name = name;
    this.manager = new ProtocolManager({ url: urls, roomId: room });
    for (const event of TROUBLES)
      this.manager.on(event, (content) => void this.troubles.push(`${event} ${JSON.stringify(content)}`));
    this.manager.on('connection-error', ({ permanent, code }) => {
      if (permanent) this.troubles.push(`connection-error ${code}`);
    });
    this.manager.on('synced', ({ state }) => this.#note(state));
    this.manager.addDoc(this.doc, { docId: 'text' });
  }

  get isSynced(): boolean {
    return this.manager.documentState('text')?.isSynced ?? false;
  }

  /** Of the gateway that it is connected to. */
  get url(): string {
    return this.manager.connection.url;
  }

  get text(): string {
    return this.doc.getText('text').toString();
  }

  /** Types the next word of this person and returns it. */
  type(): string {
    const word = `${this.name}-${++this.typed};`;
    this.doc.getText('text').insert(0, word);
    return word;
  }

  has(word: string): boolean {
    return this.text.includes(word);
  }

  destroy(): void {
    this.#lost?.stop();
    this.manager.destroy();
  }

  #note(isSynced: boolean): void {
    if (!isSynced) this.#lost ??= new Stopwatch();
    else if (this.#lost !== undefined) {
      this.outages.push(this.#lost.stop());
      this.#lost = undefined;
    }
  }
}

/** Words that a text lacks, or has twice, of what these people have typed. */
export function wrongWords(text: string, typists: readonly Typist[]): string[] {
  const counts = new Map<string, number>();
  for (const word of text.split(';')) counts.set(word, (counts.get(word) ?? 0) + 1);
  const wrong: string[] = [];
  for (const { name, typed } of typists)
    for (let n = 1; n <= typed; n++) if (counts.get(`${name}-${n}`) !== 1) wrong.push(`${name}-${n}`);
  return wrong;
}

/** Lets them type by turns; returns how to stop it. */
export function keepTyping(typists: readonly Typist[], wordsPerSecond: number): () => void {
  let turn = 0;
  const timer = setInterval(() => typists[turn++ % typists.length]!.type(), 1000 / wordsPerSecond);
  return () => clearInterval(timer);
}
