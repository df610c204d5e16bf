import type { DocumentId } from '../protocol/ids.ts';
import type { Position } from '../protocol/position.ts';
import type { RecordPlace } from '../store/operations.ts';

export interface FoldRequest {
  document: DocumentId;
  epoch: number;
  partition: number;
  /** From all rows, without the snapshot that is there. */
  fromRows?: boolean;
}

export interface FoldResult {
  /** One Yjs update (V1) that holds everything stored up to `position`, pending structs included. */
  update: Uint8Array;
  stateVector: Uint8Array;
  position: Position;
  /** Stored updates that no client can apply: they are not in it. Left out when there are none. */
  rejected?: RecordPlace[];
}

/** Makes one state of what is stored of a document, by reference. May be slow; errors are AppErrors. */
export interface Folder {
  /** Undefined when there is nothing to fold. */
  fold(request: FoldRequest): Promise<FoldResult | undefined>;
}
