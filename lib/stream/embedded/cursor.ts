import type { DeliveredRecord, RecordBatch } from '../port.ts';
import type { PartitionLog } from './partition-log.ts';
import { withStreamErrors } from './sqlite-errors.ts';

export const MAX_BATCH_RECORDS = 1000;
export const MAX_BATCH_BYTES = 4 * 1024 * 1024;
const BATCH_BOUNDS = { maxRecords: MAX_BATCH_RECORDS, maxBytes: MAX_BATCH_BYTES };

/** What waits in memory for one slow reader; beyond it the reader goes back to the file. */
const MAX_QUEUE_RECORDS = 8 * MAX_BATCH_RECORDS;
const MAX_QUEUE_BYTES = 2 * MAX_BATCH_BYTES;

/**
 * Where one reader stands in a partition. At the tail it is fed from memory with the records that all readers
 * share; behind it, it reads the file.
 */
export class Cursor {
  readonly #log: PartitionLog;
  #next: number;
  #queue: DeliveredRecord[] = [];
  #queuedBytes = 0;
  /** While the file is being read: how far. */
  #readsTo: number | undefined;
  #wake: (() => void) | undefined;
  #closed = false;

  constructor(log: PartitionLog, fromOffset: number) {
    this.#log = log;
    this.#next = fromOffset;
    log.cursors.add(this);
  }

  /** Takes what was just appended, if this reader has everything before it; else it will read the file. */
  push(firstOffset: number, records: readonly DeliveredRecord[]): void {
    const last = this.#queue.at(-1)?.offset ?? (this.#readsTo ?? this.#next) - 1;
    if (firstOffset === last + 1) {
      for (const record of records) {
        this.#queue.push(record);
        this.#queuedBytes += record.value.byteLength;
      }
      if (this.#queue.length > MAX_QUEUE_RECORDS || this.#queuedBytes > MAX_QUEUE_BYTES) this.#clear();
    }
    this.wake();
  }

  /** The next batch, undefined at the end of the log. STREAM_OFFSET_OUT_OF_RANGE when it has been trimmed. */
  async take(): Promise<{ batch: RecordBatch; fromFile: boolean } | undefined> {
    if (this.#queue.length > 0) return { batch: this.#takeQueued(), fromFile: false };
    if (this.#next === this.#log.nextOffset) return undefined;
    return { batch: await this.#read(), fromFile: true };
  }

  async #read(): Promise<RecordBatch> {
    const to = this.#log.nextOffset;
    this.#readsTo = to;
    try {
      const batch = await withStreamErrors(() => this.#log.read(this.#next, to, BATCH_BOUNDS));
      this.#next = batch.nextOffset;
      return batch;
    } finally {
      this.#readsTo = undefined;
      // What came meanwhile goes on where the reading has not ended.
      if (this.#next !== to) this.#clear();
    }
  }

  seek(offset: number): void {
    if (offset === this.#next) return;
    this.#clear();
    this.#next = offset;
  }

  /** Resolves when `take` may have something, at once after `close`. */
  changed(): Promise<void> {
    if (this.#closed || this.#queue.length > 0 || this.#next !== this.#log.nextOffset)
      return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  wake(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  close(): void {
    this.#closed = true;
    this.#log.cursors.delete(this);
    this.#clear();
    this.wake();
  }

  #takeQueued(): RecordBatch {
    let records = this.#queue;
    if (records.length > MAX_BATCH_RECORDS || this.#queuedBytes > MAX_BATCH_BYTES) {
      records = this.#queue.splice(0, this.#countOfBatch());
      for (const record of records) this.#queuedBytes -= record.value.byteLength;
    } else this.#clear();
    const { topic, partition } = this.#log;
    const fetchOffset = this.#next;
    this.#next = records.at(-1)!.offset + 1;
    return { topic, partition, fetchOffset, nextOffset: this.#next, records };
  }

  #countOfBatch(): number {
    let bytes = 0;
    for (let at = 0; at < this.#queue.length; at++) {
      bytes += this.#queue[at]!.value.byteLength;
      if (at === MAX_BATCH_RECORDS || (at > 0 && bytes > MAX_BATCH_BYTES)) return at;
    }
    return this.#queue.length;
  }

  #clear(): void {
    this.#queue = [];
    this.#queuedBytes = 0;
  }
}
