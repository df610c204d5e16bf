import fc from 'fast-check';
import { expect, it } from '@jest/globals';
import type { EmbeddedStream } from '../../../lib/stream/embedded.ts';
import type { RecordBatch, StartedFollow } from '../../../lib/stream/port.ts';
import { waitFor } from '../../support/wait.ts';
import { LogFolder, recordOf } from './log-folder.ts';

const TARGET = { topic: 'doc', partition: 0 };

type Step =
  | { do: 'append'; count: number; droppable: boolean; awaited: boolean }
  | { do: 'follow'; at: number }
  | { do: 'block' | 'unblock'; reader: number }
  | { do: 'trim'; at: number }
  | { do: 'restart' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      count: fc.constantFrom(1, 2, 3, 30, 30, 1200, 1200, 8500),
      droppable: fc.boolean(),
      awaited: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('follow' as const),
      at: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('block' as const, 'unblock' as const), reader: fc.nat(3) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('trim' as const),
      at: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'restart' as const }) },
);

/** A reader whose batches can be held up, and what it must have seen. */
class Reader {
  readonly seen: number[] = [];
  readonly startOffset: number;
  error: Error | undefined;
  follow: StartedFollow | undefined;
  next: number;
  #gate = Promise.withResolvers<void>();

  constructor(startOffset: number) {
    this.startOffset = startOffset;
    this.next = startOffset;
    this.#gate.resolve();
  }

  block(): void {
    this.#gate.resolve();
    this.#gate = Promise.withResolvers<void>();
  }

  unblock(): void {
    this.#gate.resolve();
  }

  async take(batch: RecordBatch): Promise<void> {
    if (batch.fetchOffset !== this.next) throw new Error(`batch at ${batch.fetchOffset}, not ${this.next}`);
    this.next = batch.nextOffset;
    this.seen.push(...batch.records.map(({ offset }) => offset));
    await this.#gate.promise;
  }
}

/** The log as it should be. */
class Run {
  readonly folder = new LogFolder();
  stream!: EmbeddedStream;
  readonly durable: number[] = [];
  readers: Reader[] = [];
  end = 0;
  start = 0;

  async open(): Promise<void> {
    this.stream = await this.folder.open();
    await this.stream.ensureTopics([{ topic: 'doc', kind: 'doc', partitions: 1 }]);
  }

  async do(step: Step): Promise<void> {
    if (step.do === 'append') await this.append(step);
    else if (step.do === 'follow') await this.follow(this.place(step.at));
    else if (step.do === 'block') this.readers[step.reader]?.block();
    else if (step.do === 'unblock') this.readers[step.reader]?.unblock();
    else if (step.do === 'trim') await this.trim(this.place(step.at));
    else await this.restart();
  }

  place(at: number): number {
    return this.start + Math.floor(at * (this.end - this.start));
  }

  async append({ count, droppable, awaited }: Step & { do: 'append' }): Promise<void> {
    const records = Array.from({ length: count }, (_, at) => recordOf(`${at}`));
    const options = { durability: droppable ? 'droppable' : 'log' } as const;
    const expected = records.map((_, at) => this.end + at);
    this.end += count;
    if (!droppable) this.durable.push(...expected);
    const appended = this.stream.append(TARGET, records, options).then((offsets) => {
      expect(offsets).toEqual(expected);
    });
    if (awaited) await appended;
  }

  async follow(fromOffset: number): Promise<void> {
    // Offset 0 means the earliest; what a tick has not committed yet is no place to begin.
    const from = Math.min(fromOffset, await this.stream.endOffset(TARGET));
    const reader = new Reader(from === 0 ? this.start : from);
    this.readers.push(reader);
    reader.follow = await this.stream.follow({
      ...TARGET,
      fromOffset: from,
      onBatch: (batch) => reader.take(batch),
      onError: (error) => void (reader.error = error),
    });
  }

  /** Readers that are behind are let through first: losing their place is another test. */
  async trim(before: number): Promise<void> {
    await this.settle();
    await this.stream.trim(TARGET, before);
    this.start = Math.max(this.start, before);
  }

  async restart(): Promise<void> {
    await this.settle();
    await this.stream.close();
    this.readers = [];
    await this.open();
  }

  /** Everyone has seen every durable record from their beginning on, in order, and nothing twice. */
  async settle(): Promise<void> {
    await waitFor(async () => (await this.stream.endOffset(TARGET)) === this.end, {
      timeoutMs: 30_000,
      intervalMs: 1,
    });
    for (const reader of this.readers) reader.unblock();
    const durable = new Set(this.durable);
    for (const reader of this.readers) {
      await waitFor(() => reader.next === this.end || reader.error, { timeoutMs: 30_000, intervalMs: 1 });
      expect(reader.error).toBeUndefined();
      const expected = this.durable.filter((offset) => offset >= reader.startOffset);
      expect(reader.seen.filter((offset) => durable.has(offset))).toEqual(expected);
      expect(reader.seen.every((offset, at) => at === 0 || offset > reader.seen[at - 1]!)).toBe(true);
    }
    const left = this.durable.filter((offset) => offset >= this.start);
    const range = { ...TARGET, fromOffset: this.start, toOffset: this.end, maxBytes: Infinity };
    const { records } = await this.stream.read(range);
    expect(records.map(({ offset }) => offset).filter((offset) => durable.has(offset))).toEqual(left);
  }
}

it('any order of appends, late and slow followers, trims and restarts keeps every durable record in order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 20 }), async (steps) => {
      const run = new Run();
      await run.open();
      try {
        for (const each of steps) await run.do(each);
        await run.settle();
      } finally {
        for (const reader of run.readers) reader.unblock();
        await run.folder.remove();
      }
    }),
    { seed: 1, numRuns: 15 },
  );
});
