import { LRUCache } from 'lru-cache';
import { AppError } from '../errors.ts';
import type { DeliveredRecord, Stream, TopicPartition } from '../stream/port.ts';

/** Bytes that a record takes beside its value: key, headers, objects. */
const RECORD_OVERHEAD_BYTES = 256;

export interface TailRequest extends TopicPartition {
  epoch: number;
  /** Record key of the document. */
  key: string;
  fromOffset: number;
  /** Exclusive. */
  toOffset: number;
}

interface Window {
  fromOffset: number;
  /** Exclusive. */
  toOffset: number;
  records: DeliveredRecord[];
  bytes: number;
}

/**
 * Reads the end of partitions for joins. Records at an offset never change, so joins of different
 * documents of one partition share what one of them has read: a window for each partition, at most
 * `maxBytes` of it, twice that for all.
 */
export class TailReader {
  readonly #stream: Pick<Stream, 'read'>;
  readonly #maxBytes: number;
  readonly #windows: LRUCache<string, Window>;
  readonly #queues = new Map<string, Promise<unknown>>();

  constructor(stream: Pick<Stream, 'read'>, maxBytes: number) {
    this.#stream = stream;
    this.#maxBytes = maxBytes;
    this.#windows = new LRUCache({ maxSize: 2 * maxBytes });
  }

  /** The document's records of the range, in order. STORE_BEHIND when the partition has more there than the bound. */
  async read(request: TailRequest): Promise<DeliveredRecord[]> {
    if (request.fromOffset >= request.toOffset) return [];
    // An epoch belongs to one topic, so it names the topic here, and a topic made again has another.
    const name = `${request.epoch}/${request.partition}`;
    const before = this.#queues.get(name) ?? Promise.resolve();
    // One at a time for each partition: the next one finds what this one has read.
    const mine = before.then(() => this.#windowFor(name, request));
    const settled = mine.catch(() => undefined); // the failure reaches its own caller through `mine`
    this.#queues.set(name, settled);
    void settled.then(() => {
      if (this.#queues.get(name) === settled) this.#queues.delete(name);
    });
    const { records } = await mine;
    return records
      .slice(indexOfOffset(records, request.fromOffset))
      .filter((record) => record.key === request.key && record.offset < request.toOffset);
  }

  async #windowFor(name: string, request: TailRequest): Promise<Window> {
    const known = this.#windows.get(name);
    if (known && known.fromOffset <= request.fromOffset && known.toOffset >= request.fromOffset) {
      if (known.toOffset >= request.toOffset) return known;
      return this.#keep(name, await this.#extend(known, request));
    }
    const read = await this.#readRange(request, request.fromOffset);
    return this.#keep(name, read);
  }

  async #extend(known: Window, request: TailRequest): Promise<Window> {
    const added = await this.#readRange(request, known.toOffset);
    const bytes = known.bytes + added.bytes;
    if (bytes <= this.#maxBytes)
      return { ...known, toOffset: added.toOffset, bytes, records: [...known.records, ...added.records] };
    // Full: what lies before this request goes.
    const kept = known.records.slice(indexOfOffset(known.records, request.fromOffset));
    const records = [...kept, ...added.records];
    const window = {
      fromOffset: request.fromOffset,
      toOffset: added.toOffset,
      records,
      bytes: sizeOf(records),
    };
    if (window.bytes > this.#maxBytes) throw new AppError('STORE_BEHIND');
    return window;
  }

  async #readRange({ topic, partition, toOffset }: TailRequest, fromOffset: number): Promise<Window> {
    const maxBytes = this.#maxBytes;
    const { records, nextOffset } = await this.#stream.read({
      topic,
      partition,
      fromOffset,
      toOffset,
      maxBytes,
    });
    return { fromOffset, toOffset: Math.max(toOffset, nextOffset), records, bytes: sizeOf(records) };
  }

  #keep(name: string, window: Window): Window {
    this.#windows.set(name, window, { size: Math.max(1, window.bytes) });
    return window;
  }
}

function sizeOf(records: readonly DeliveredRecord[]): number {
  let bytes = 0;
  for (const record of records) bytes += record.value.byteLength + RECORD_OVERHEAD_BYTES;
  return bytes;
}

/** Index of the first record at `offset` or behind it. */
function indexOfOffset(records: readonly DeliveredRecord[], offset: number): number {
  let low = 0;
  let high = records.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (records[middle]!.offset < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
