import * as Y from 'yjs';
import { addVersion, type VersionRanges } from '../../lib/protocol/ranges.ts';
import { ProtocolManager } from '../../lib/provider/index.ts';
import { ReplayError } from './replay-error.ts';
import { TEXT_NAME } from './replica.ts';
import type { Signal } from './signal.ts';

/** The document of a room that the page of `npm start` shows, too. */
export const DOC_ID = 'text';

/** Origin of what an agent wrote itself, as against what the provider brought. */
const OWN = Symbol('own');

/** One connected document with its provider. Tells `signal` about everything that happens to it. */
export class ReplayClient {
  readonly url: string;
  readonly doc = new Y.Doc();
  readonly #manager: ProtocolManager;
  readonly #ackedVersions: VersionRanges = [];
  #isSynced = false;
  #written = 0;
  #trouble = '';

  constructor({ url, room, signal }: { url: string; room: string; signal: Signal }) {
    this.url = url;
    this.#manager = new ProtocolManager({ url, roomId: room });
    this.#manager.on('synced', ({ state }) => {
      this.#isSynced ||= state; // false again while the connection is away: the replay just waits
      signal.notify();
    });
    this.#manager.on('acked', ({ version }) => {
      addVersion(this.#ackedVersions, version);
      signal.notify();
    });
    this.#manager.on('connection-error', ({ permanent, message }) => {
      this.#trouble = message;
      if (permanent) signal.fail(new ReplayError(`${url} refused the connection: ${message}`));
    });
    this.#manager.on('permission-denied', ({ message }) =>
      signal.fail(new ReplayError(`${url} refused the document: ${message}`)),
    );
    this.#manager.on('document-replaced', () =>
      signal.fail(new ReplayError('The document was replaced during the replay.')),
    );
    this.doc.on('update', (_: Uint8Array, origin: unknown) => origin !== OWN && signal.notify());
    this.#manager.addDoc(this.doc, { docId: DOC_ID });
  }

  get isSynced(): boolean {
    return this.#isSynced;
  }

  get isEmpty(): boolean {
    return this.doc.store.clients.size === 0;
  }

  get isAllAcked(): boolean {
    return !this.#manager.hasUnackedChanges;
  }

  /**
   * How many of the first updates written here are acked. The provider gives each update its version, from 1,
   * as long as fewer than its bound wait; merged ones would have fewer versions, and count when all are acked.
   */
  get ackedCount(): number {
    if (this.isAllAcked) return this.#written;
    const first = this.#ackedVersions[0];
    return first?.[0] === 1 ? Math.min(first[1], this.#written) : 0;
  }

  get unackedCount(): number {
    return this.#written - this.ackedCount;
  }

  /** Where it stands, for an error message. */
  describe(): string {
    const state = this.#isSynced ? `${this.ackedCount} acked` : 'never synced';
    return `${this.url} ${this.#manager.status}, ${state}${this.#trouble ? ` (${this.#trouble})` : ''}`;
  }

  write(update: Uint8Array): void {
    this.#written++;
    Y.applyUpdate(this.doc, update, OWN);
  }

  text(): string {
    return this.doc.getText(TEXT_NAME).toString();
  }

  close(): void {
    this.#manager.destroy();
    this.doc.destroy();
  }
}
