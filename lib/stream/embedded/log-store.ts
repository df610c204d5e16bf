import type { DeliveredRecord, TopicKind } from '../port.ts';
import type { PackedRecords } from './packed-records.ts';

/*
 * What the embedded log asks of its file. It is in a thread (log-thread.ts), since a disk that takes 10 ms for an fsync,
 * or a checkpoint of some MB, would stop the event loop and with it every client for as long.
 */

export interface PartitionRow {
  id: number;
  partition: number;
  startOffset: number;
  /** Offsets below this may have been given to records that are not in the file. */
  reservedOffset: number;
  /** Of the last record in the file, or -1. */
  lastOffset: number;
}

export interface TopicRow {
  name: string;
  topicId: string;
  kind: TopicKind;
  partitions: PartitionRow[];
}

export interface NewTopic {
  name: string;
  topicId: string;
  kind: TopicKind;
  partitions: number;
}

export interface Reservation {
  partitionId: number;
  /** Offsets up to it may be used without being written. */
  offset: number;
}

/** What is on disk together or not at all. */
export interface LogCommit {
  reservations: readonly Reservation[];
  records: PackedRecords;
}

export interface OffsetRange {
  partitionId: number;
  from: number;
  to: number;
}

export interface ReadBounds {
  maxRecords: number;
  maxBytes: number;
}

export interface FileRange {
  records: DeliveredRecord[];
  /** False when the bounds ended the reading before the range did. */
  complete: boolean;
}

/**
 * One file, one piece of work after the other, in the order of the calls. Rejects with SQLite's errors (`errcode`), an
 * AppError, or LogBroken.
 */
export interface LogStore {
  readonly clusterId: string;
  /** As they were when the file was opened. */
  readonly topics: readonly TopicRow[];
  /** Why nothing can be asked now; undefined while it can. */
  readonly broken: LogBroken | undefined;
  /** Makes them, all or none. */
  insertTopics(topics: readonly NewTopic[]): Promise<TopicRow[]>;
  /** All of it is on disk when this resolves, nothing when it rejects. The buffers of `records` are given away. */
  commit(commit: LogCommit): Promise<void>;
  /** The records that are in the file; at least one, if there is one, whatever its size. */
  range(range: OffsetRange, bounds: ReadBounds): Promise<FileRange>;
  /** Deletes the records below the offset and remembers the new beginning. */
  trim(partitionId: number, beforeOffset: number): Promise<void>;
  /** After what was asked before. Idempotent. */
  close(): Promise<void>;
}

/** A file that was opened once. What it was asked is rejected together when it is lost. */
export interface OpenedLog extends LogStore {
  /** Resolves as soon as it is broken by itself; nothing holds the file any more when `close` has resolved after it. */
  readonly lost: Promise<LogBroken>;
}

/** The file cannot be reached now, and with `needsRestart` not before the process has been started again. */
export class LogBroken extends Error {
  override name = 'LogBroken';
  readonly needsRestart: boolean;

  constructor(message: string, options: { cause?: unknown; needsRestart?: boolean } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.needsRestart = options.needsRestart ?? false;
  }
}
