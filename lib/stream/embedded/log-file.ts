import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { AppError } from '../../errors.ts';
import type { LogCommit, NewTopic, OffsetRange, PartitionRow, ReadBounds, TopicRow } from './log-store.ts';
import {
  MAX_PARTITIONS,
  OFFSETS_OF_PARTITION,
  packRecords,
  positionOf,
  unpackRecords,
  type PackedRecords,
  type RowOfRecord,
} from './packed-records.ts';
import { prepareSchema } from './schema.ts';
import { openFailure } from './sqlite-errors.ts';

/**
 * Checkpoint after this many WAL pages of 4 KiB. The commit that does it waits for all that is written then: after 16 MB
 * up to 100 ms, after 4 MB about 20, while the database beside it writes as well.
 */
const CHECKPOINT_PAGES = 1000;
const WAL_LIMIT_BYTES = 64 * 1024 * 1024;

/** What lies in a range, with its values as they were read. */
export interface PackedRange {
  records: PackedRecords;
  complete: boolean;
}

interface RecordRow {
  position: number;
  timestamp_ms: number;
  key: string;
  headers: string;
  value: Uint8Array;
}

/**
 * The file of the embedded log; owned by one process from `open` to `close`, also across kill -9, since the
 * lock is the kernel's. It goes when any descriptor of the file is closed in this process: nothing else may open it.
 */
export class LogFile {
  readonly clusterId: string;
  readonly #db: DatabaseSync;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #insert: StatementSync;
  readonly #range: StatementSync;
  readonly #last: StatementSync;
  readonly #delete: StatementSync;
  readonly #setStart: StatementSync;
  readonly #reserve: StatementSync;

  /** STREAM_LOCKED while another handle, here or in another process, has the file open. */
  static open(file: string, newId: () => string): LogFile {
    mkdirSync(dirname(file), { recursive: true });
    let db: DatabaseSync | undefined;
    try {
      db = new DatabaseSync(file);
      return new LogFile(db, newId);
    } catch (error) {
      db?.close();
      throw openFailure(error, file);
    }
  }

  /**
   * Opens the file that this process had open before, never a new one (STREAM_IDENTITY_CHANGED). What can be read then
   * is on disk: nobody knows how the last fsync ended, so everything in the WAL is written into the file first.
   */
  static reopen(file: string, clusterId: string): LogFile {
    const isAnother = (message: string) => new AppError('STREAM_IDENTITY_CHANGED', { message });
    if (!existsSync(file)) throw isAnother(`The log ${file} is gone.`);
    const log = LogFile.open(file, () => {
      throw isAnother(`The log ${file} is empty.`);
    });
    try {
      if (log.clusterId !== clusterId) throw isAnother(`The log ${file} has been replaced by another one.`);
      log.#db.exec('PRAGMA wal_checkpoint(PASSIVE)');
      return log;
    } catch (error) {
      log.close();
      throw openFailure(error, file);
    }
  }

  constructor(db: DatabaseSync, newId: () => string) {
    this.#db = db;
    // Exclusive before WAL: then there is no shared memory, and the lock taken below is held until close.
    db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    db.exec(
      `PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}; PRAGMA journal_size_limit = ${WAL_LIMIT_BYTES}`,
    );
    db.exec('BEGIN IMMEDIATE');
    this.clusterId = prepareSchema(db, newId);
    db.exec('COMMIT');
    this.#begin = db.prepare('BEGIN IMMEDIATE');
    this.#commit = db.prepare('COMMIT');
    this.#insert = db.prepare('INSERT INTO records VALUES (?, ?, ?, ?, ?)');
    this.#range = db.prepare('SELECT * FROM records WHERE position >= ? AND position < ? ORDER BY position');
    this.#last = db.prepare(
      'SELECT position FROM records WHERE position >= ? AND position < ? ORDER BY position DESC LIMIT 1',
    );
    this.#delete = db.prepare('DELETE FROM records WHERE position >= ? AND position < ?');
    this.#setStart = db.prepare('UPDATE partitions SET start_offset = ? WHERE id = ?');
    this.#reserve = db.prepare('UPDATE partitions SET reserved_offset = ? WHERE id = ?');
  }

  /** Reservations and records, in one transaction: all of it is on disk when this returns, nothing when it throws. */
  commit({ reservations, records }: LogCommit): void {
    this.#transaction(() => {
      for (const { partitionId, offset } of reservations) this.#reserve.run(offset, partitionId);
      for (const { position, timestampMs, key, headers, value } of unpackRecords(records))
        this.#insert.run(position, timestampMs, key, headers, value);
    });
  }

  #transaction<T>(work: () => T): T {
    this.#begin.run();
    try {
      const result = work();
      this.#commit.run();
      return result;
    } catch (error) {
      // SQLite has rolled back by itself when the disk was full.
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  topics(): TopicRow[] {
    const partitions = this.#db.prepare(
      `SELECT id, partition, start_offset AS startOffset, reserved_offset AS reservedOffset
       FROM partitions WHERE topic = ? ORDER BY partition`,
    );
    return this.#db
      .prepare('SELECT id, name, topic_id AS topicId, kind FROM topics ORDER BY id')
      .all()
      .map((row) => {
        const { id, name, topicId, kind } = row as unknown as TopicRow & { id: number };
        const rows = partitions.all(id) as unknown as Omit<PartitionRow, 'lastOffset'>[];
        return {
          name,
          topicId,
          kind,
          partitions: rows.map((partition) => ({ ...partition, lastOffset: this.#lastOffset(partition.id) })),
        };
      });
  }

  /** Makes the topics, all or none. */
  insertTopics(topics: readonly NewTopic[]): TopicRow[] {
    return this.#transaction(() => topics.map((topic) => this.#insertTopic(topic)));
  }

  #insertTopic(topic: NewTopic): TopicRow {
    const { name, topicId, kind } = topic;
    const id = this.#db
      .prepare('INSERT INTO topics (name, topic_id, kind, partitions) VALUES (?, ?, ?, ?)')
      .run(name, topicId, kind, topic.partitions).lastInsertRowid;
    const insert = this.#db.prepare('INSERT INTO partitions (topic, partition) VALUES (?, ?)');
    const partitions: PartitionRow[] = [];
    for (let partition = 0; partition < topic.partitions; partition++) {
      const partitionId = Number(insert.run(id, partition).lastInsertRowid);
      if (partitionId >= MAX_PARTITIONS)
        throw new AppError('STREAM_APPEND_FAILED', { message: 'The embedded log has too many partitions.' });
      partitions.push({ id: partitionId, partition, startOffset: 0, reservedOffset: 0, lastOffset: -1 });
    }
    return { name, topicId, kind, partitions };
  }

  /** The records of [from, to) that are in the file; at least one, if there is one, whatever its size. */
  range({ partitionId, from, to }: OffsetRange, { maxRecords, maxBytes }: ReadBounds): PackedRange {
    const rows: RowOfRecord[] = [];
    let bytes = 0;
    let complete = true;
    for (const row of this.#range.iterate(positionOf(partitionId, from), positionOf(partitionId, to))) {
      const { position, timestamp_ms: timestampMs, key, headers, value } = row as unknown as RecordRow;
      bytes += value.byteLength;
      if (rows.length > 0 && (rows.length >= maxRecords || bytes > maxBytes)) {
        complete = false;
        break;
      }
      rows.push({ position, timestampMs, key, headers, value });
    }
    return { records: packRecords(rows), complete };
  }

  #lastOffset(partitionId: number): number {
    const base = positionOf(partitionId, 0);
    const row = this.#last.get(base, base + OFFSETS_OF_PARTITION);
    return row === undefined ? -1 : (row.position as number) - base;
  }

  /** Deletes the records below `beforeOffset` and remembers the new beginning. */
  trim(partitionId: number, beforeOffset: number): void {
    this.#transaction(() => {
      this.#delete.run(positionOf(partitionId, 0), positionOf(partitionId, beforeOffset));
      this.#setStart.run(beforeOffset, partitionId);
    });
  }

  /** Caps the file's size: beyond it every append fails like on a full disk. */
  limitBytes(maxFileBytes: number): void {
    const { page_size: pageBytes } = this.#db.prepare('PRAGMA page_size').get() as { page_size: number };
    this.#db.exec(`PRAGMA max_page_count = ${Math.max(1, Math.floor(maxFileBytes / pageBytes))}`);
  }

  close(): void {
    this.#db.close();
  }
}
