import * as Y from 'yjs';
import { ProtocolManager } from '../../lib/provider/index.ts';
import { waitFor } from '../support/wait.ts';

export interface ControlReport {
  edits: number;
  acked: number;
  p50Ms: number;
  p99Ms: number;
  /** What should never happen there: refusals, failed updates, lost connections. */
  complaints: string[];
}

const SETTLE_TIMEOUT_MS = 60_000;

interface Person {
  manager: ProtocolManager;
  doc: Y.Doc;
}

/** Two people who go on editing while others misbehave, and see each other's words in time. */
export class ControlRoom {
  readonly #people: Person[];
  readonly #complaints: string[] = [];
  readonly #sentAt = new Map<string, number>();
  readonly #delays: number[] = [];
  readonly #url: string;
  readonly #roomId: string;
  #edits = 0;
  #acked = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(url: string, roomId = 'control-room') {
    this.#url = url;
    this.#roomId = roomId;
    this.#people = [0, 1].map((index) => this.#person(index));
  }

  async start(everyMs: number): Promise<void> {
    await waitFor(() => this.#people.every(({ manager }) => manager.documentState('doc')?.isSynced), {
      timeoutMs: SETTLE_TIMEOUT_MS,
      what: 'the control room is open',
    });
    this.#timer = setInterval(() => this.#edit(), everyMs);
  }

  /** Ends the editing and compares both with each other, with everything typed, and with a newcomer. */
  async stop(): Promise<ControlReport> {
    clearInterval(this.#timer);
    const isSettled = () =>
      this.#people.every(
        ({ manager, doc }) => !manager.hasUnackedChanges && wordsOf(doc).length === this.#edits,
      );
    await waitFor(isSettled, { timeoutMs: SETTLE_TIMEOUT_MS, what: 'the control room agrees' });
    const newcomer = this.#person(2);
    await waitFor(() => newcomer.manager.documentState('doc')?.isSynced, { timeoutMs: SETTLE_TIMEOUT_MS });
    const states = [...this.#people, newcomer].map(({ doc }) =>
      Buffer.from(Y.encodeStateAsUpdate(doc)).toString('base64'),
    );
    if (new Set(states).size !== 1) this.#complaints.push('the states differ');
    if (new Set(wordsOf(newcomer.doc)).size !== this.#edits) this.#complaints.push('words are lost');
    for (const { manager } of [...this.#people, newcomer]) manager.destroy();
    const sorted = this.#delays.sort((a, b) => a - b);
    const at = (share: number) => Math.round(sorted[Math.floor(share * (sorted.length - 1))] ?? 0);
    return {
      edits: this.#edits,
      acked: this.#acked,
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      complaints: this.#complaints,
    };
  }

  /** Ends at once. Idempotent. */
  close(): void {
    clearInterval(this.#timer);
    for (const { manager } of this.#people) manager.destroy();
  }

  #person(index: number): Person {
    const manager = new ProtocolManager({ url: this.#url, roomId: this.#roomId });
    const doc = new Y.Doc();
    manager.addDoc(doc, { docId: 'doc' });
    manager.on('acked', () => this.#acked++);
    for (const name of [
      'update-refused',
      'update-failed',
      'document-replaced',
      'join-refused',
      'permission-denied',
      'protocol-error',
      'connection-error',
    ] as const)
      manager.on(name, (event) => this.#complaints.push(`${name} ${JSON.stringify(event)}`));
    doc.getArray<string>('words').observe(({ changes, transaction }) => {
      if (transaction.local || index > 1) return;
      for (const { insert } of changes.delta) for (const word of insert ?? []) this.#seen(String(word));
    });
    return { manager, doc };
  }

  #edit(): void {
    const word = `word ${this.#edits}`;
    const { doc } = this.#people[this.#edits % 2]!;
    this.#edits++;
    this.#sentAt.set(word, performance.now());
    const words = doc.getArray<string>('words');
    words.insert(Math.floor(words.length / 2), [word]);
  }

  #seen(word: string): void {
    const sentAt = this.#sentAt.get(word);
    if (sentAt === undefined) return;
    this.#sentAt.delete(word);
    this.#delays.push(performance.now() - sentAt);
  }
}

const wordsOf = (doc: Y.Doc): string[] => doc.getArray<string>('words').toArray();
