import type { DocumentId } from '../protocol/ids.ts';
import type { Position } from '../protocol/position.ts';
import type { VersionRanges } from '../protocol/ranges.ts';
import type { TopicIdentity } from '../stream/port.ts';
import type { StoreOperations } from './operations.ts';

/**
 * The store keeps what the log said. Everything in it can be repeated without harm.
 * Adapters: postgres.ts (MikroORM), memory.ts; test/contract/store.suite.ts holds what every adapter must do.
 * Errors: STORE_UNAVAILABLE (infrastructure: retry), STORE_BAD_DATA (SQLSTATE 22, 23: this data never fits).
 */

/** The consumer whose position is S: what `load` says the store covers. */
export const PERSISTER_CONSUMER = 'persister';

/** One update of the log, as the persister read it. */
export interface IncomingUpdate {
  kind: 'update';
  offset: number;
  document: DocumentId;
  generation: number;
  senderId: string;
  clientVersion: number;
  userId?: string;
  /** The connection that brought it, and its network address: for who looks into it later, never for clients. */
  connectionId?: string;
  clientAddress?: string;
  /** Milliseconds since 1970 as stamped by the gateway. */
  atMs: number;
  /** The envelope's metadata, unknown keys included. */
  metadata: Record<string, unknown>;
  /** The raw Yjs update (V1), without message types. */
  payload: Uint8Array;
}

/** A generation begins at `offset`. Counts only if it raises the document's generation. */
export interface IncomingBarrier {
  kind: 'barrier';
  offset: number;
  document: DocumentId;
  generation: number;
  reason: 'deleted' | 'recreated' | 'restored';
  /** What the record says of the operation that wrote it. */
  origin?: BarrierOrigin;
}

export interface BarrierOrigin {
  /** Names the operation: one that is repeated finds its own barrier. */
  key?: string;
  senderId: string;
  userId?: string;
  /** Milliseconds since 1970, by the clock of the one who wrote it. */
  atMs: number;
  /** Updates that make up the first state of the generation, when it is a restored one. */
  parts?: number;
}

/** A record that nobody can use: kept with its bytes and the reason, left out of folds. */
export interface IncomingQuarantine {
  kind: 'quarantine';
  offset: number;
  /** Absent when the record does not even say which document it is for. */
  document?: DocumentId;
  reason: string;
  key: string;
  value: Uint8Array;
  headers: Record<string, string>;
}

export type IncomingRecord = IncomingUpdate | IncomingBarrier | IncomingQuarantine;

export interface IncomingBatch {
  /** Name of the position that moves with the rows, e.g. `persister`. */
  consumer: string;
  epoch: number;
  partition: number;
  /** Must equal the stored next offset for the batch to be taken. */
  fetchOffset: number;
  /** The stored next offset afterwards. */
  nextOffset: number;
  records: IncomingRecord[];
}

/**
 * stored: rows and position are committed together. moved: the position was not where the batch begins;
 * nothing was written; go on from `nextOffset` (lower than the batch: seek back; inside it: drop the known part).
 */
export interface StoreResult {
  outcome: 'stored' | 'moved';
  nextOffset: number;
  /** What the batch added, by document (key = documentKey), for the snapshot policy. */
  touched: Map<string, { document: DocumentId; updates: number; bytes: number }>;
}

export interface Snapshot {
  document: DocumentId;
  generation: number;
  epoch: number;
  partition: number;
  /** The last offset that it covers. */
  throughOffset: number;
  /** A Yjs update (V1) that holds everything, pending structs included. */
  data: Uint8Array;
  stateVector: Uint8Array;
}

export interface StoredUpdate {
  offset: number;
  epoch: number;
  partition: number;
  senderId: string;
  userId?: string;
  clientVersion: number;
  payload: Uint8Array;
}

/** What one REPEATABLE READ transaction saw of a document. Its bytes belong to the caller. */
export interface StoredState {
  /** 1 when there is no row of the document yet. */
  generation: number;
  /** The barrier's offset, or -1. */
  generationStartOffset: number;
  deleted: boolean;
  /** The newest one of this generation, epoch and partition. */
  snapshot?: Snapshot;
  /** Rows with a payload of this generation after the snapshot (or after `sinceOffset`), in offset order. */
  updates: StoredUpdate[];
  /** S: the store covers the partition through this offset; -1 = nothing yet. */
  storedThrough: number;
}

export interface SenderQuery {
  senderId: string;
  userId?: string;
  epoch: number;
  throughOffset: number;
}

export interface LoadRequest {
  document: DocumentId;
  epoch: number;
  partition: number;
  /** Leave the snapshot out and return only rows after this offset (resume). */
  sinceOffset?: number;
  /** Leave the snapshot out and return all rows: to make it anew. */
  fromRows?: boolean;
}

/** How much lies behind the newest snapshot; the snapshot policy decides on it. */
export interface SnapshotDebt {
  document: DocumentId;
  generation: number;
  epoch: number;
  partition: number;
  updates: number;
  bytes: number;
  /** How long ago the oldest update that no snapshot covers was stored, by the store's own clock. */
  ageMs: number;
  snapshotBytes: number;
  /** The topic has a newer epoch, whose members ask for their own: whoever finds this debt may pay it. */
  isOfPastEpoch: boolean;
}

export interface HistoryRow extends StoredUpdate {
  generation: number;
  atMs: number;
  metadata: Record<string, unknown>;
  connectionId?: string;
  clientAddress?: string;
  /** Offset of the row that has the payload, when this one is a repeat (payload is then empty). */
  repeatOf?: number;
}

/** The beginning of a generation as it stays in the store: who, when and where, never what. */
export interface GenerationRow extends Partial<BarrierOrigin> {
  generation: number;
  reason: IncomingBarrier['reason'];
  epoch: number;
  partition: number;
  offset: number;
  /** With a deletion: what has been removed of the document so far. */
  removed?: RemovedContent;
}

export interface RemovedContent {
  rows: number;
  bytes: number;
  snapshots: number;
  quarantined: number;
  /** When nothing was left to remove; absent while that goes on. */
  completedAtMs?: number;
}

/** What one REPEATABLE READ transaction saw of a document's generations. */
export interface DocumentLifecycle {
  /** 1 when no barrier is stored. */
  generation: number;
  deleted: boolean;
  /** Nothing of this generation or an earlier one is ever read or stored again; 0 = never deleted. */
  deletedGeneration: number;
  /** The newest first, at most 1,000. */
  generations: GenerationRow[];
  storedThrough: number;
}

/** One step of removing what a deleted document has left behind. */
export interface RemovalStep {
  document: DocumentId;
  /** The generation that the deletion began. */
  generation: number;
  /** What this step has removed. */
  removed: RemovedContent;
}

export interface PersistenceAdapter extends StoreOperations {
  /** Makes or migrates the schema; several processes may call it at once. */
  prepare(): Promise<void>;
  /** The epoch of a topic's identity, recorded at first sight. STREAM_IDENTITY_CHANGED, STREAM_PARTITIONS_CHANGED. */
  epochOf(identity: TopicIdentity): Promise<number>;
  /** Takes another identity of a known topic as a new epoch; an operator's explicit decision. */
  adoptEpoch(identity: TopicIdentity): Promise<number>;
  /** Next offset of a consumer; 0 when it has stored nothing. */
  nextOffset(consumer: string, epoch: number, partition: number): Promise<number>;
  /** Rows, quarantine, barriers and position in one transaction (design rule 8). */
  storeBatch(batch: IncomingBatch): Promise<StoreResult>;
  /** Snapshot, rows and S from one REPEATABLE READ transaction. */
  load(request: LoadRequest): Promise<StoredState>;
  /** The versions that a sender, as this user (none when left out), has in rows up to `throughOffset`, repeats included. */
  appendedVersions(document: DocumentId, generation: number, sender: SenderQuery): Promise<VersionRanges>;
  /** False when a snapshot that covers as much is there, it covers more than is stored, or the generation has moved on. */
  persistSnapshot(snapshot: Snapshot): Promise<boolean>;
  /** Documents with something behind their snapshot, the longest waiting first; deleted ones owe nothing. */
  snapshotDebts(limit: number): Promise<SnapshotDebt[]>;
  snapshotDebt(document: DocumentId): Promise<SnapshotDebt | undefined>;
  /** Rows after `since` (of its generation; all of the current one when left out), in offset order, in pages. */
  exportHistory(document: DocumentId, since?: Position): AsyncIterable<HistoryRow>;
  /** Deletes snapshots that a newer one of the same document supersedes; returns how many. Never history rows. */
  trimSnapshots(): Promise<number>;
  /** Those that were replayed aside. */
  countQuarantined(): Promise<number>;
  /** The document's generations, and the operations that began them; of those with one key the first. */
  lifecycle(request: Omit<LoadRequest, 'sinceOffset'>): Promise<DocumentLifecycle>;
  /**
   * Removes at most `maxRows` rows, and as many snapshots and quarantined records, of one deleted document whose
   * content is not all removed; several processes may do it at once. Undefined when there is none. What it removes
   * has not been readable since the deletion was stored.
   */
  removeDeleted(maxRows: number): Promise<RemovalStep | undefined>;
  ping(timeoutMs: number): Promise<boolean>;
  close(): Promise<void>;
}
