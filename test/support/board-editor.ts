import * as Y from 'yjs';
import type { CloseNotice } from '../../lib/protocol/index.ts';
import { ProtocolManager, type ManagerEvents, type ManagerOptions } from '../../lib/provider/index.ts';
import { waitFor } from './wait.ts';

export interface BoardEditorOptions extends Omit<ManagerOptions, 'roomId'> {
  /** Called with everything that is typed. */
  onTyped?: (text: string) => void;
}

/** A real provider with one document of a board, and what it has said. */
export class BoardEditor {
  readonly manager: ProtocolManager;
  readonly doc = new Y.Doc();
  readonly denied: ManagerEvents['permission-denied'][] = [];
  readonly replaced: ManagerEvents['document-replaced'][] = [];
  readonly refused: ManagerEvents['update-refused'][] = [];
  readonly statuses: string[] = [];
  readonly notices: CloseNotice[] = [];
  readonly errors: ManagerEvents['connection-error'][] = [];
  /** Who has come (`+` and the user's id) and gone (`-`), in order. */
  readonly told: string[] = [];
  readonly #onTyped: (text: string) => void;

  constructor(boardId: string, { onTyped = () => undefined, ...options }: BoardEditorOptions) {
    this.#onTyped = onTyped;
    this.manager = new ProtocolManager({ ...options, roomId: boardId });
    const { manager } = this;
    manager.on('permission-denied', (event) => this.denied.push(event));
    manager.on('document-replaced', (event) => this.replaced.push(event));
    manager.on('update-refused', (event) => this.refused.push(event));
    manager.on('status', ({ status }) => this.statuses.push(status));
    manager.on('connection-error', (event) => this.errors.push(event));
    manager.connection.on('close-notice', (notice) => this.notices.push(notice));
    manager.presence.on('presence-join', ({ userId }) => this.told.push(`+${userId}`));
    manager.presence.on('presence-leave', ({ userId }) => this.told.push(`-${userId}`));
    manager.addDoc(this.doc, { docId: 'doc', recreate: () => new Y.Doc() });
  }

  /** As it is now: a document that was replaced is another one. */
  get document(): Y.Doc {
    return this.manager.documents.get('doc') as Y.Doc;
  }

  get text(): string {
    return this.document.getText('t').toString();
  }

  get state() {
    return this.manager.documentState('doc')!;
  }

  get people() {
    return this.manager.presence.people;
  }

  type(text: string): void {
    this.#onTyped(text);
    const target = this.document.getText('t');
    target.insert(target.length, text);
  }

  async synced(timeoutMs = 30_000): Promise<this> {
    await waitFor(() => this.state.isSynced, { what: 'the board is there', timeoutMs });
    return this;
  }

  async saved(timeoutMs = 30_000): Promise<void> {
    await waitFor(() => !this.manager.hasUnackedChanges, { what: 'everything is acked', timeoutMs });
  }

  /** How often it was told that somebody has come or gone. */
  count(what: string): number {
    return this.told.filter((told) => told === what).length;
  }

  async hears(what: string, timeoutMs = 30_000): Promise<void> {
    await waitFor(() => this.told.includes(what), {
      what: `${what} among ${this.told.join(' ')}`,
      timeoutMs,
    });
  }

  close(): void {
    this.manager.destroy();
  }
}
