import type { DocumentId } from '../protocol/ids.ts';
import type { Position } from '../protocol/position.ts';
import type { VersionRanges } from '../protocol/ranges.ts';

/** What a gateway asks of fastsync when a client joins or resumes (design rules 6 and 7). */
export interface SyncRequest {
  document: DocumentId;
  senderId: string;
  /** The user of the connection; none without accounts. A sender id that somebody else took is another writer. */
  userId?: string;
  /** The gateway's ring holds every record of the document after this offset: its follow began there. */
  heldAfter: number;
  /** Identity of the topic that the gateway follows: an answer about another one would be taken for what comes there. */
  topicId?: string;
  /** The highest position the client has heard of. An answer below it would take the client back in time. */
  heard?: Position;
  /** Where the client stands: only what came after it is wanted, if that is possible. */
  position?: Position;
  /** What the client has: a full state is cut down to what this lacks. */
  stateVector?: Uint8Array;
}

export interface SyncAnswer {
  /** Tagged with the higher of E and S. */
  position: Position;
  /** The document has been deleted and does not exist at `position`: the state is empty, and is to be refused. */
  deleted?: true;
  /** full: the state at `position`; delta: everything between the request's position and `position`. */
  kind: 'full' | 'delta';
  /** Of the full state at `position`; empty for a delta. */
  stateVector: Uint8Array;
  /** The sender's versions up to `position` (for a delta: those after the request's position). */
  appended: VersionRanges;
  /** One merged Yjs update (V1), pending structs included. An empty update when nothing lacks. */
  update: Uint8Array;
}

/** STORE_BEHIND, STORE_UNAVAILABLE, STREAM_UNAVAILABLE, SERVICE_UNAVAILABLE are transient. */
export interface SyncSource {
  join(request: SyncRequest): Promise<SyncAnswer>;
}
