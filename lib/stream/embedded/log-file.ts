import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { AppError } from '../../errors.ts';
import type { DeliveredRecord, TopicKind } from '../port.ts';
import { prepareSchema } from './schema.ts';
import { openFailure } from './sqlite-errors.ts';

/*
 * One SQLite file. A record's row id is partitionId * 2^34 + offset: the records of a partition lie
 * together, a range is one scan, and there is no second index to keep. 2^34 offsets for each of 2^19
 * partitions stay below 2^53, so plain numbers do.
 */
const OFFSETS_OF_PARTITION = 2 ** 34;
const MAX_PARTITIONS = 2 ** 19;

/** Checkpoint after this many WAL pages of 4 KiB: rarely enough that its fsyncs do not show. */
const CHECKPOINT_PAGES = 4096;
const WAL_LIMIT_BYTES = 64 * 1024 * 1024;

export interface PartitionRow {
  id: number;
  partition: number;
  startOffset: number;
  /** Offsets below this may have been given to records that are not in the file. */
  reservedOffset: number;
}

export interface TopicRow {
  name: string;
  topicId: string;
  kind: TopicKind;
  partitions: PartitionRow[];
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

  /** Runs `work` in one transaction: all of it is on disk when this returns, nothing when it throws. */
  transaction<T>(work: () => T): T {
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
        return { name, topicId, kind, partitions: partitions.all(id) as unknown as PartitionRow[] };
      });
  }

  /** Makes a topic; inside a transaction. */
  insertTopic(topic: { name: string; topicId: string; kind: TopicKind; partitions: number }): TopicRow {
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
      partitions.push({ id: partitionId, partition, startOffset: 0, reservedOffset: 0 });
    }
    return { name, topicId, kind, partitions };
  }

  /** Writes one record; inside a transaction. */
  insert(partitionId: number, record: DeliveredRecord): void {
    if (record.offset >= OFFSETS_OF_PARTITION)
      throw new AppError('STREAM_APPEND_FAILED', { message: 'The partition has no offsets left.' });
    this.#insert.run(
      partitionId * OFFSETS_OF_PARTITION + record.offset,
      record.timestampMs,
      record.key,
      JSON.stringify(record.headers),
      record.value,
    );
  }

  /** The records of [from, to) that are in the file; at least one, if there is one, whatever its size. */
  range(partitionId: number, offsets: { from: number; to: number }, bounds: ReadBounds): FileRange {
    const base = partitionId * OFFSETS_OF_PARTITION;
    const records: DeliveredRecord[] = [];
    let bytes = 0;
    for (const row of this.#range.iterate(base + offsets.from, base + offsets.to)) {
      const { position, timestamp_ms, key, headers, value } = row as unknown as RecordRow;
      bytes += value.byteLength;
      if (records.length > 0 && (records.length >= bounds.maxRecords || bytes > bounds.maxBytes))
        return { records, complete: false };
      records.push({
        offset: position - base,
        timestampMs: timestamp_ms,
        key,
        value,
        headers: JSON.parse(headers) as Record<string, string>,
      });
    }
    return { records, complete: true };
  }

  /** The offset of the partition's last record in the file, or -1. */
  lastOffset(partitionId: number): number {
    const base = partitionId * OFFSETS_OF_PARTITION;
    const row = this.#last.get(base, base + OFFSETS_OF_PARTITION);
    return row === undefined ? -1 : (row.position as number) - base;
  }

  /** Deletes the records below `beforeOffset` and remembers the new beginning. */
  trim(partitionId: number, beforeOffset: number): void {
    const base = partitionId * OFFSETS_OF_PARTITION;
    this.transaction(() => {
      this.#delete.run(base, base + beforeOffset);
      this.#setStart.run(beforeOffset, partitionId);
    });
  }

  /** Offsets up to `offset` may be used without being written; inside a transaction. */
  reserve(partitionId: number, offset: number): void {
    this.#reserve.run(offset, partitionId);
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
