import type * as Y from 'yjs';
import { addressKey, validateAddress, type DocumentAddress } from '../protocol/index.ts';
import type { ConnectionStatus } from './connection-options.ts';
import { ProtocolConnection } from './connection.ts';
import { createDocumentAdapter, type DocumentAdapter, type SupportedDocument } from './document-adapter.ts';
import { TypedEmitter } from './emitter.ts';
import { systemEnvironment } from './environment.ts';
import type { ManagerEvents } from './events.ts';
import type { AddDocOptions, DocumentState, ManagerOptions } from './manager-options.ts';
import { tuningOf, type ProcessingTuning } from './processing-context.ts';
import { PeopleList } from './people.ts';
import { RoomPresence } from './presence.ts';
import { ProtocolProcessing } from './processing.ts';
import { routeMessages } from './routes.ts';
import { followSubdocuments } from './subdocuments.ts';

interface Tracked {
  key: string;
  address: DocumentAddress;
  adapter: DocumentAdapter;
  processing: ProtocolProcessing;
  stopFollowing: () => void;
}

/**
 * The provider: keeps the documents of a room in step with the server over one connection.
 * Changes that it makes to a document have the manager itself as their origin.
 */
export class ProtocolManager extends TypedEmitter<ManagerEvents> {
  readonly roomId: string;
  readonly senderId: string;
  readonly connection: ProtocolConnection;
  /** The people of the room: cursors, selections, viewports, who comes and goes. */
  readonly presence: RoomPresence;
  /** The same people as one list with the awareness states of their tabs: what a page shows of who is there. */
  readonly people: PeopleList;
  readonly #options: ManagerOptions;
  readonly #tuning: ProcessingTuning;
  /** By address; a removed document stays until its updates are settled. */
  readonly #processings = new Map<string, ProtocolProcessing>();
  readonly #tracked = new Map<string, Tracked>();
  readonly #byDocument = new WeakMap<object, Tracked>();
  /** Where the counting of versions goes on when a document comes again. */
  readonly #lastVersions = new Map<string, number>();
  #isDestroyed = false;

  constructor(options: ManagerOptions) {
    super();
    this.#options = options;
    this.roomId = options.roomId;
    const environment = options.environment ?? systemEnvironment;
    this.senderId = options.senderId ?? environment.randomId();
    this.#tuning = tuningOf(options);
    const connection = (this.connection = new ProtocolConnection(options));
    this.presence = new RoomPresence({
      roomId: options.roomId,
      environment,
      send: (message) => connection.showPresence(message),
    });
    this.people = new PeopleList({ presence: this.presence, environment });
    this.#listen();
    // Not `beforeunload`, which a person may answer by staying.
    globalThis.addEventListener?.('pagehide', this.#onPageHide);
  }

  get status(): ConnectionStatus {
    return this.connection.status;
  }

  /** True while anything in any document is not known to be in the log. */
  get hasUnackedChanges(): boolean {
    return [...this.#processings.values()].some((processing) => processing.hasUnackedChanges);
  }

  /** The documents that have been added, subdocuments included, by id (a subdocument's behind its root's and `/`). */
  get documents(): ReadonlyMap<string, object> {
    return new Map(
      [...this.#tracked.values()].map(({ address, adapter }) => [documentName(address), adapter.document]),
    );
  }

  connect(): void {
    if (!this.#isDestroyed) this.connection.connect();
  }

  /** Ends the connection until `connect()`; what is changed meanwhile is kept and sent then. */
  disconnect(): void {
    this.connection.disconnect();
  }

  /**
   * Keeps a document in step from now on; content that it has already is uploaded as far as the server lacks it.
   * Another document under the same id takes the place of the one before; the same one again changes nothing. Throws TypeError for an invalid id.
   */
  addDoc(document: SupportedDocument, options: AddDocOptions): void {
    if (this.#isDestroyed) throw new TypeError('The manager has been destroyed.');
    const address = this.#address(options);
    const key = addressKey(address);
    const before = this.#tracked.get(key);
    if (before?.adapter.document === document && !before.processing.halted) return;
    const adapter = createDocumentAdapter(document);
    if (before) {
      before.stopFollowing();
      this.#byDocument.delete(before.adapter.document);
    }
    const processing = this.#processings.get(key) ?? this.#createProcessing(key, address);
    const tracked: Tracked = { key, address, adapter, processing, stopFollowing: () => undefined };
    this.#track(tracked);
    const { awareness, position, recreate } = options;
    this.people.watch(address, awareness);
    processing.attach(adapter, {
      ...(awareness ? { awareness } : {}),
      ...(position ? { position } : {}),
      ...(recreate ? { recreate: () => this.#recreate(key, recreate) } : {}),
    });
  }

  /** Lets go of a document and its subdocuments. Updates that are on their way are still sent and acked. */
  removeDoc(document: object | string, parentId?: string): void {
    const tracked =
      typeof document === 'string'
        ? this.#tracked.get(addressKey(this.#address({ docId: document, ...(parentId ? { parentId } : {}) })))
        : this.#byDocument.get(document);
    if (!tracked || this.#tracked.get(tracked.key) !== tracked) return;
    this.#tracked.delete(tracked.key);
    this.#byDocument.delete(tracked.adapter.document);
    this.people.unwatch(tracked.address);
    tracked.stopFollowing();
    tracked.processing.detach();
  }

  /** What is known of a document; undefined when it has not been added. */
  documentState(document: object | string, parentId?: string): DocumentState | undefined {
    const tracked =
      typeof document === 'string'
        ? this.#tracked.get(addressKey(this.#address({ docId: document, ...(parentId ? { parentId } : {}) })))
        : this.#byDocument.get(document);
    if (!tracked) return undefined;
    const { ref, isSynced, isReadOnly, hasUnackedChanges, position, halted } = tracked.processing;
    return { ...ref, isSynced, isReadOnly, hasUnackedChanges, position, halted };
  }

  /** Sends what can be sent at once, takes the awareness away, disconnects. The documents stay as they are. */
  destroy(): void {
    if (this.#isDestroyed) return;
    this.#isDestroyed = true;
    globalThis.removeEventListener?.('pagehide', this.#onPageHide);
    for (const tracked of [...this.#tracked.values()]) this.removeDoc(tracked.adapter.document);
    for (const processing of this.#processings.values()) processing.stop();
    this.connection.destroy();
    this.people.destroy();
    this.presence.destroy();
    this.#processings.clear();
    this.removeAllListeners();
  }

  #address({ docId, parentId }: Pick<AddDocOptions, 'docId' | 'parentId'>): DocumentAddress {
    const { roomId } = this;
    const address = validateAddress(
      parentId === undefined ? { roomId, docId } : { roomId, docId: parentId, subdocId: docId },
    );
    if (!address.ok) throw new TypeError(address.failure.message);
    return address.value;
  }

  #createProcessing(key: string, address: DocumentAddress): ProtocolProcessing {
    const { connection, senderId } = this;
    const processing = new ProtocolProcessing({
      address,
      senderId,
      connection,
      environment: this.#options.environment ?? systemEnvironment,
      tuning: this.#tuning,
      origin: this,
      lastVersion: this.#lastVersions.get(key) ?? 0,
      emit: (name, event) => this.emit(name, event as ManagerEvents[typeof name]),
      onDrained: () => this.#forget(key, processing),
    });
    this.#processings.set(key, processing);
    return processing;
  }

  #forget(key: string, processing: ProtocolProcessing): void {
    if (this.#processings.get(key) !== processing || this.#tracked.has(key)) return;
    this.#processings.delete(key);
    this.#lastVersions.set(key, processing.lastVersion);
    processing.stop();
    this.connection.leave(processing.context.address);
  }

  #track(tracked: Tracked): void {
    this.#tracked.set(tracked.key, tracked);
    this.#byDocument.set(tracked.adapter.document, tracked);
    const { docId } = tracked.address;
    tracked.stopFollowing = followSubdocuments(tracked.adapter, {
      add: (subdocument) => this.#addSubdocument(subdocument, docId),
      remove: (document) => this.removeDoc(document),
    });
  }

  /** Runs inside a transaction of the application: a guid that is no valid id is reported, not thrown. */
  #addSubdocument(subdocument: Y.Doc, parentId: string): void {
    const ref = { docId: subdocument.guid, parentId };
    try {
      this.addDoc(subdocument, ref);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      this.emit('join-refused', { ...ref, code: 'BAD_ID', message: error.message });
    }
  }

  /** The new document takes the old one's place here as well. */
  #recreate(key: string, recreate: () => SupportedDocument): DocumentAdapter {
    const adapter = createDocumentAdapter(recreate());
    const before = this.#tracked.get(key);
    if (before) {
      before.stopFollowing();
      this.#byDocument.delete(before.adapter.document);
      this.#track({ ...before, adapter });
    }
    return adapter;
  }

  #listen(): void {
    routeMessages(this.connection, {
      presence: this.presence,
      processings: () => this.#processings.values(),
      find: (address) => this.#processings.get(addressKey(address)),
      emit: (name, event) => this.emit(name, event),
    });
  }

  /** Best effort: a page that is closed takes its cursors along. */
  #onPageHide = (): void => {
    for (const processing of this.#processings.values()) processing.farewell();
  };
}

function documentName({ docId, subdocId }: DocumentAddress): string {
  return subdocId === undefined ? docId : `${docId}/${subdocId}`;
}
