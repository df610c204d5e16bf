import type { DocumentId } from '../protocol/ids.ts';
import type { IncomingUpdate, Snapshot } from './port.ts';

/** The reason of records that are stored, and that no client can apply. */
export const INAPPLICABLE = 'inapplicable';

/** Where a record stands in the log. */
export interface RecordPlace {
  epoch: number;
  partition: number;
  offset: number;
}

/** A quarantined record as it is listed: enough to find out what is wrong with it, never its content. */
export interface QuarantinedSummary extends RecordPlace {
  reason: string;
  /** Absent when the record does not say which document it is for. */
  documentKey?: string;
  key: string;
  bytes: number;
  /** The first 64 bytes of the value: the beginning of its metadata. */
  head: Uint8Array;
  /** When it was stored, in ms since 1970. */
  atMs: number;
  /** When it was stored as an update after all; absent while it is not. */
  replayedAtMs?: number;
}

export interface QuarantinedRecord extends QuarantinedSummary {
  headers: Record<string, string>;
  value: Uint8Array;
}

export interface QuarantineQuery {
  limit: number;
  /** Only what stands behind this place. */
  after?: RecordPlace;
  documentKey?: string;
  /** Those that were replayed as well. */
  replayed?: boolean;
}

/**
 * stored: the row stands at its own place, with payload or as a repeat of the row that has it. known: it stood there
 * already. refused: it can still not be used, for this reason; nothing has changed.
 */
export type ReplayResult =
  { outcome: 'stored' | 'known'; isRepeat: boolean } | { outcome: 'refused'; reason: string };

/** Records that were never stored and that an operator has given up. */
export interface AcceptedLoss {
  epoch: number;
  partition: number;
  fromOffset: number;
  /** Exclusive: storing goes on here. */
  toOffset: number;
  atMs: number;
}

export interface StoredDocument {
  /** Grows with the age of the documents; for paging. */
  id: number;
  document: DocumentId;
  /** Where its last record was stored. */
  epoch: number;
  partition: number;
}

export interface DocumentQuery {
  limit: number;
  /** Only documents with a higher id. */
  afterId?: number;
  tenantId?: string;
  roomId?: string;
}

/** What operators ask of a store, beside what the services need all the time. */
export interface StoreOperations {
  /** In the order of their places. */
  listQuarantined(query: QuarantineQuery): Promise<QuarantinedSummary[]>;
  readQuarantined(place: RecordPlace): Promise<QuarantinedRecord | undefined>;
  /**
   * Stores an update that was quarantined, at its own place in the log, under the rules of `storeBatch`: it must be of
   * the generation that holds there. Idempotent. STORE_BAD_DATA when the database still refuses it.
   */
  replayQuarantined(place: RecordPlace, update: IncomingUpdate): Promise<ReplayResult>;
  /**
   * Sets stored updates aside that no client can apply: they stay in the history and are quarantined as well, with
   * INAPPLICABLE as the reason; `load` leaves them out until they are marked as replayed. How many were not so before.
   * Idempotent.
   */
  quarantineStored(document: DocumentId, places: readonly RecordPlace[]): Promise<number>;
  /** It is no longer counted. Idempotent. */
  markReplayed(place: RecordPlace): Promise<void>;
  /**
   * Moves the persister's position over records that the log no longer has, and records it. False when the position
   * is not exactly at `fromOffset`: then nothing has changed.
   */
  acceptLoss(loss: Omit<AcceptedLoss, 'atMs'>): Promise<boolean>;
  /** The newest first, at most `limit`. */
  acceptedLosses(limit: number): Promise<AcceptedLoss[]>;
  /** Undefined for a document that the store does not know, or that is deleted. */
  findStored(document: DocumentId): Promise<StoredDocument | undefined>;
  /** Documents that are not deleted, by their ids. */
  documents(query: DocumentQuery): Promise<StoredDocument[]>;
  /**
   * Puts a snapshot that was made from the rows alone in the place of all others of the document, in one
   * transaction. False when it covers more than is stored, the generation has moved on, or rows were archived.
   */
  replaceSnapshots(snapshot: Snapshot): Promise<boolean>;
}
