import type { fetchV17, RecordsBatch } from '@platformatic/kafka';
import type { DeliveredRecord, RecordBatch, TopicPartition } from '../port.ts';

type FetchedPartition = fetchV17.FetchResponsePartition;

const IS_TRANSACTIONAL = 1 << 4;
const IS_APPEND_TIME = 1 << 3;
const IS_CONTROL = 1 << 5;
/** Type of the control record that ends an aborted transaction. */
const ABORT = 0;
const EMPTY = new Uint8Array(0);
const MAX_HELD_BYTES = 16 * 1024;
const MAX_HELD_FACTOR = 8;
const SHARED_BYTES = 8 * 1024;

/**
 * What was fetched, as the port delivers it. Offsets have holes: control batches and records of aborted
 * transactions are left out, and reading goes on behind the last offset of the last batch. The aborted ones are
 * filtered here because the library's own filter misses those whose end lies beyond the response.
 */
export function toRecordBatch(
  target: TopicPartition,
  fetchOffset: number,
  fetched: FetchedPartition,
): RecordBatch {
  const records: DeliveredRecord[] = [];
  let nextOffset = fetchOffset;
  const aborted = new AbortedTransactions(fetched.abortedTransactions ?? []);
  for (const batch of fetched.records ?? []) {
    nextOffset = Math.max(nextOffset, Number(batch.firstOffset) + batch.lastOffsetDelta + 1);
    if (!aborted.includes(batch)) addRecords(records, batch, fetchOffset);
  }
  return { topic: target.topic, partition: target.partition, fetchOffset, nextOffset, records };
}

/** True when there was nothing behind the batch at the time of the answer. */
export function isAtEnd(batch: RecordBatch, fetched: FetchedPartition): boolean {
  return batch.nextOffset >= Number(fetched.lastStableOffset);
}

/** Keeps track, batch by batch in offset order, of the producers that are inside an aborted transaction. */
class AbortedTransactions {
  readonly #ahead: { producerId: bigint; firstOffset: bigint }[];
  readonly #open = new Set<bigint>();

  constructor(aborted: readonly { producerId: bigint; firstOffset: bigint }[]) {
    this.#ahead = [...aborted].sort((a, b) => Number(a.firstOffset - b.firstOffset));
  }

  /** Whether the records of the batch are not for readers; control batches never are. */
  includes(batch: RecordsBatch): boolean {
    const last = batch.firstOffset + BigInt(batch.lastOffsetDelta);
    while (this.#ahead.length > 0 && this.#ahead[0]!.firstOffset <= last)
      this.#open.add(this.#ahead.shift()!.producerId);
    if (batch.attributes & IS_CONTROL) {
      if (batch.records[0]?.key?.readInt16BE(2) === ABORT) this.#open.delete(batch.producerId);
      return true;
    }
    return (batch.attributes & IS_TRANSACTIONAL) !== 0 && this.#open.has(batch.producerId);
  }
}

/** A batch may begin before the offset asked for. */
function addRecords(into: DeliveredRecord[], batch: RecordsBatch, fetchOffset: number): void {
  const firstOffset = Number(batch.firstOffset);
  // With the broker's time all records of a batch have that of its append.
  const isAppendTime = (batch.attributes & IS_APPEND_TIME) !== 0;
  const firstTimestamp = Number(isAppendTime ? batch.maxTimestamp : batch.firstTimestamp);
  const copies = new Copies(batch.records);
  for (const record of batch.records) {
    const offset = firstOffset + record.offsetDelta;
    if (offset < fetchOffset) continue;
    const headers: Record<string, string> = {};
    for (const [name, value] of record.headers) headers[text(name)] = text(value);
    into.push({
      offset,
      key: text(record.key),
      value: copies.of(record.value ?? EMPTY),
      headers,
      timestampMs: firstTimestamp + (isAppendTime ? 0 : Number(record.timestampDelta)),
    });
  }
}

/**
 * Copies of values: a small one that is kept must not keep alive the megabytes that it came with. They share buffers of
 * some kilobytes, since a buffer for each costs ten times as much.
 */
class Copies {
  /** Of the values that may still come. */
  #expectedBytes: number;
  #shared = EMPTY;
  #used = 0;

  constructor(records: RecordsBatch['records']) {
    this.#expectedBytes = records.reduce((sum, { value }) => sum + (value?.byteLength ?? 0), 0);
  }

  of(value: Uint8Array): Uint8Array {
    const { byteLength } = value;
    const held = value.buffer.byteLength;
    if (held <= MAX_HELD_BYTES || held <= MAX_HELD_FACTOR * byteLength) return value;
    if (this.#used + byteLength > this.#shared.byteLength) {
      this.#shared = new Uint8Array(Math.max(byteLength, Math.min(SHARED_BYTES, this.#expectedBytes)));
      this.#used = 0;
    }
    const copy = this.#shared.subarray(this.#used, this.#used + byteLength);
    copy.set(value);
    this.#used += byteLength;
    this.#expectedBytes -= byteLength;
    return copy;
  }
}

function text(bytes: Buffer | null): string {
  return bytes === null ? '' : bytes.toString('utf8');
}
