import type { Awareness } from 'y-protocols/awareness';
import type { Position } from '../protocol/index.ts';
import type { ConnectionOptions } from './connection-options.ts';
import type { SupportedDocument } from './document-adapter.ts';
import type { ProcessingTuning } from './processing-context.ts';

export interface ManagerOptions extends ConnectionOptions, Partial<ProcessingTuning> {
  /** The room (in the product: the board) that all documents of this manager belong to: 1 to 128 bytes. */
  roomId: string;
  /**
   * Names this provider instance, 128 random bits as hex. Default a new one, which is right: two instances with
   * one id (two tabs) would take each other's updates for their own.
   */
  senderId?: string;
}

export interface AddDocOptions {
  /** Id of the document in the room: 1 to 128 bytes. With `parentId` it is the subdocument's id, its guid. */
  docId: string;
  /** Id of the root document, for a subdocument. Subdocuments of a Yjs document are added by themselves. */
  parentId?: string;
  /** Cursors and names; of a ywasm document made with `new Awareness({ clientID: doc.id, on() {} })`. */
  awareness?: Awareness;
  /**
   * Where the content stood in the log when it was kept (`documentState(…).position`). Content kept without it is
   * taken for new, and goes only into a document that has never been replaced.
   */
  position?: Position;
  /** Makes an empty document when the server's was replaced or a ywasm instance trapped; default: only events. */
  recreate?: () => SupportedDocument;
}

export interface DocumentState {
  docId: string;
  parentId?: string;
  isSynced: boolean;
  isReadOnly: boolean;
  hasUnackedChanges: boolean;
  /** Everything up to here is in the document; keep it together with a copy of the content. */
  position: Position | undefined;
  /** Why the document takes no part any more; undefined as long as it does. */
  halted: 'replaced' | 'deleted' | 'trapped' | 'unreadable' | 'refused' | undefined;
}
