import { expect } from '@jest/globals';
import { isAppError } from '../../../lib/errors.ts';
import type { Follow, Stream, StreamRecord } from '../../../lib/stream/port.ts';
import { Stopwatch } from '../../support/stopwatch.ts';

export const record = (text: string): StreamRecord => ({ key: 'k', value: Buffer.from(text), headers: {} });
export const textOf = ({ value }: { value: Uint8Array }) => Buffer.from(value).toString();

const INTERVAL_MS = 10;

/** Appends one numbered record after the other to a partition; notes which were acknowledged. */
export class Writer {
  readonly acked = new Map<string, number>();
  readonly failed: unknown[] = [];
  /** The longest time that an append took to be refused, in ms, as far as this process ran. */
  slowestRefusalMs = 0;
  readonly #stream: Stream;
  readonly #target: { topic: string; partition: number };
  readonly #clock = new Stopwatch();
  #stopped = false;
  readonly #running: Promise<void>;

  constructor(stream: Stream, target: { topic: string; partition: number }) {
    this.#stream = stream;
    this.#target = target;
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    this.#clock.stop();
  }

  async #run(): Promise<void> {
    const pending = new Set<Promise<void>>();
    for (let count = 0; !this.#stopped; count++) {
      const one = this.#append(`${this.#target.partition}-${count}`).finally(() => pending.delete(one));
      pending.add(one);
      await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
    }
    await Promise.all(pending);
  }

  async #append(text: string): Promise<void> {
    const began = this.#clock.ms;
    try {
      const [offset] = await this.#stream.append(this.#target, [record(text)]);
      this.acked.set(text, offset!);
    } catch (error) {
      this.failed.push(error);
      this.slowestRefusalMs = Math.max(this.slowestRefusalMs, this.#clock.ms - began);
    }
  }
}

/** What a reader has seen of each partition, in its order. */
export class Seen {
  readonly texts: string[][];
  readonly errors: { type: string; retrying: boolean }[] = [];

  constructor(partitions: number) {
    this.texts = Array.from({ length: partitions }, () => []);
  }

  count(text: string): number {
    return this.texts[Number(text.split('-')[0])]!.filter((seen) => seen === text).length;
  }

  /** The records of a partition come in the order in which they were appended: nothing lost below, nothing twice. */
  expectOrdered(): void {
    for (const texts of this.texts) {
      const numbers = texts.map((text) => Number(text.split('-')[1]));
      expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
    }
  }

  /** Exactly once, each of those that were acknowledged. */
  expectAllOf(writers: readonly Writer[]): void {
    const counts = new Map<string, number>();
    for (const text of this.texts.flat()) counts.set(text, (counts.get(text) ?? 0) + 1);
    const wrong = writers.flatMap(({ acked }) => [...acked.keys()].filter((text) => counts.get(text) !== 1));
    expect(wrong).toEqual([]);
  }
}

export async function followAll(stream: Stream, topic: string, seen: Seen): Promise<void> {
  for (let partition = 0; partition < seen.texts.length; partition++) {
    await stream.follow({
      topic,
      partition,
      fromOffset: 0,
      onBatch: (batch) => void seen.texts[partition]!.push(...batch.records.map(textOf)),
      onError: (error, { retrying }) =>
        void seen.errors.push({ type: isAppError(error) ? error.type : String(error), retrying }),
    });
  }
}

/** A group member that keeps its positions like the persister, and insists that batches begin exactly there. */
export function consumeAll(
  stream: Stream,
  request: { topic: string; group: string; seen: Seen; positions: Map<number, number> },
): Promise<Follow> {
  const { topic, group, seen, positions } = request;
  return stream.consume({
    group,
    topics: [topic],
    startOffset: async ({ partition }) => positions.get(partition) ?? 0,
    onBatch: async (batch) => {
      expect(batch.fetchOffset).toBe(positions.get(batch.partition) ?? 0);
      seen.texts[batch.partition]!.push(...batch.records.map(textOf));
      positions.set(batch.partition, batch.nextOffset);
      return batch.nextOffset;
    },
  });
}
