import type { DocumentAddress, NackCode, Position, ProtocolFailure } from '../protocol/index.ts';
import type { ConnectionErrorEvent } from './connection-events.ts';
import type { ConnectionStatus } from './connection-options.ts';

/** Which document: as in `addDoc`; the root document's id is in `parentId` for a subdocument. */
export interface DocumentRef {
  docId: string;
  parentId?: string;
}

export interface DocumentReplacedEvent extends DocumentRef {
  /**
   * generation: the document was deleted and made again, or restored. refused: the server refused an update for
   * good, or the document was changed while it is read-only, and a document cannot take content out again.
   */
  reason: 'generation' | 'refused';
  /** The server's state, for a new document; empty when the new generation begins. */
  state: Uint8Array;
  /** Where that state is in the log. */
  position: Position | undefined;
  /** Updates of the old document that the server has not taken; nobody else keeps them. */
  unacked: Uint8Array[];
  /** The new document when `recreate` was given; otherwise pass one to `addDoc` under the same id. */
  document: object | undefined;
}

export interface DocumentDeletedEvent extends DocumentRef {
  /** Where the deletion is in the log; undefined when only a join said so. */
  position: Position | undefined;
  /** Updates that the server has not taken; nobody else keeps them. The document itself stays as it is. */
  unacked: Uint8Array[];
}

export interface UpdateFailedEvent extends DocumentRef {
  /** The entry that could not be applied; undefined when it was a state. */
  position: Position | undefined;
  error: unknown;
  /** True when no further sync is tried on this connection. */
  final: boolean;
}

/** Events about one document. */
export interface DocumentEvents {
  /** state: the document has everything that was in the log when it joined. false again when the connection ends. */
  synced: DocumentRef & { state: boolean };
  /** The update is in the log, at `position` or, when a state said so, before it. */
  acked: DocumentRef & { version: number; position: Position };
  /**
   * Whether changes of the document are taken; said when it changes, before the state of the join that told it. Until
   * it is said they are. What is changed all the same comes back with `document-replaced`.
   */
  'read-only': DocumentRef & { isReadOnly: boolean };
  /**
   * The document, or with a version that update, is out of this user's reach. A document comes back by itself, with
   * `synced`, when the right is given; until then this is not said again.
   */
  'permission-denied': DocumentRef & { code: string; message: string; version?: number };
  /** The server refuses this update for good; `document-replaced` follows. */
  'update-refused': DocumentRef & { version: number; code: NackCode; message: string; update: Uint8Array };
  'document-replaced': DocumentReplacedEvent;
  /** The document exists no more: it is neither sent nor received until `addDoc` is called for it again. */
  'document-deleted': DocumentDeletedEvent;
  'update-failed': UpdateFailedEvent;
  /**
   * The document is unusable: its WASM instance has trapped, or Yjs threw in the middle of an update and kept a part
   * of it. Give `addDoc` a fresh one (of a fresh instance), unless `recreate` did; what was not acked comes along.
   */
  'document-trapped': DocumentRef & { error: unknown; document: object | undefined };
  /**
   * The server will not let this document be joined on this connection; said again only for another reason. When it
   * was for lack of a right, it is joined once more whenever rights have changed.
   */
  'join-refused': DocumentRef & { code: NackCode; message: string };
  /** `hasUnackedChanges` of the document has changed. */
  'unacked-changes': DocumentRef & { hasUnackedChanges: boolean };
  /**
   * isFull: as much waits for the server as may be on its way (`maxUnacked`, `maxUnackedBytes`), because it is away
   * or slower than the application writes. What comes on top is merged, never dropped; who can, writes less until
   * isFull is false again.
   */
  backlog: DocumentRef & { isFull: boolean; updates: number; bytes: number };
  /** A part of a large state has come; `totalBytes` is 0 while it is not known. */
  progress: DocumentRef & { receivedBytes: number; totalBytes: number };
}

export interface ManagerEvents extends DocumentEvents {
  status: { status: ConnectionStatus };
  'connection-error': ConnectionErrorEvent;
  /** A message that one side could not read and that names no document; joins and resends repair what it held. */
  'protocol-error': ProtocolFailure;
}

export function documentRef(address: DocumentAddress): DocumentRef {
  return address.subdocId === undefined
    ? { docId: address.docId }
    : { docId: address.subdocId, parentId: address.docId };
}
