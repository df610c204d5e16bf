import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { isAppError, type AppErrorType } from '../../../lib/errors.ts';
import type {
  DeliveredRecord,
  RecordBatch,
  Stream,
  StreamRecord,
  TopicPartition,
  TopicSpec,
} from '../../../lib/stream/port.ts';
import { waitFor } from '../../support/wait.ts';

/** One adapter on a log of its own, or on a shared one: every check uses topics and groups of unique names. */
export interface StreamHarness {
  stream: Stream;
  /** Longest value that the adapter was configured to take; at least 1 MiB. */
  maxRecordBytes: number;
  /** How long a check waits for a delivery. Default 30 s. */
  waitMs?: number;
  /** Opens the same log again after the stream has been closed. */
  reopen?(): Promise<Stream>;
  /** Makes the log forget what lies below an offset. */
  trim?(partition: TopicPartition, beforeOffset: number): Promise<void>;
  /** Deletes a topic behind the adapter's back; resolves when it is gone. */
  deleteTopic?(topic: string): Promise<void>;
  /** Closes what is still open and removes what was made. */
  dispose(): Promise<void>;
}

export type Capability = 'reopen' | 'trim' | 'deleteTopic';

export interface StreamCheck {
  name: string;
  needs?: Capability;
  /** Rejects when the adapter breaks the promise that `name` states. */
  run(world: World): Promise<void>;
}

/** What a check works with. */
export class World {
  readonly harness: StreamHarness;
  stream: Stream;

  constructor(harness: StreamHarness) {
    this.harness = harness;
    this.stream = harness.stream;
  }

  get waitMs(): number {
    return this.harness.waitMs ?? 30_000;
  }

  /** A new topic's partition 0. */
  async topic(partitions = 1): Promise<TopicPartition & { spec: TopicSpec }> {
    const spec = this.spec(partitions);
    await this.stream.ensureTopics([spec]);
    return { topic: spec.topic, partition: 0, spec };
  }

  /** A topic that does not exist. */
  spec(partitions = 1): TopicSpec {
    return { topic: `check-${randomUUID()}`, kind: 'doc', partitions };
  }

  group(): string {
    return `group-${randomUUID()}`;
  }

  async reopen(): Promise<void> {
    await this.stream.close();
    this.stream = await this.harness.reopen!();
  }

  until<T>(condition: () => T | Promise<T>, what: string): Promise<NonNullable<T>> {
    return waitFor(condition, { timeoutMs: this.waitMs, what });
  }

  /** Appends records of the given texts one call after the other, each awaited. */
  async appendTexts(target: TopicPartition, texts: readonly string[]): Promise<number[]> {
    return this.stream.append(target, texts.map(record));
  }

  /** Follows a partition into a collector. */
  async collect(target: TopicPartition, fromOffset: number | 'end'): Promise<Collector> {
    const collector = new Collector(this);
    const { topic, partition } = target;
    const follow = await this.stream.follow({
      topic,
      partition,
      fromOffset,
      onBatch: (batch) => collector.add(batch),
      onError: (error, state) => void collector.errors.push({ error, retrying: state.retrying }),
    });
    collector.startOffset = follow.startOffset;
    collector.stop = () => follow.stop();
    return collector;
  }

  async read(target: TopicPartition, fromOffset: number, toOffset: number): Promise<RecordBatch> {
    const { topic, partition } = target;
    return this.stream.read({ topic, partition, fromOffset, toOffset, maxBytes: 64 * 1024 * 1024 });
  }
}

/** What one reader was given. */
export class Collector {
  readonly batches: RecordBatch[] = [];
  readonly records: DeliveredRecord[] = [];
  readonly errors: { error: Error; retrying: boolean }[] = [];
  startOffset = -1;
  stop: () => Promise<void> = () => Promise.resolve();
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  add(batch: RecordBatch): void {
    this.batches.push(batch);
    this.records.push(...batch.records);
  }

  get texts(): string[] {
    return this.records.map(textOf);
  }

  get offsets(): number[] {
    return this.records.map((delivered) => delivered.offset);
  }

  /** Waits until the record of this text has come; further ones may have come with it. */
  async untilText(text: string): Promise<void> {
    await this.#world.until(() => this.texts.includes(text), `the record ${text} is delivered`);
  }

  async untilError(type: AppErrorType): Promise<void> {
    await this.#world.until(
      () => this.errors.some(({ error, retrying }) => !retrying && isAppError(error, type)),
      `the follow is told ${type}`,
    );
  }

  /** Each batch begins where the one before it ended and holds only what lies between, in order. */
  assertChain(): void {
    let next = this.batches[0]?.fetchOffset ?? 0;
    for (const batch of this.batches) {
      assert.equal(batch.fetchOffset, next, 'a batch begins where the last one ended');
      for (const { offset } of batch.records) {
        assert.ok(offset >= next, `offset ${offset} is not below ${next}`);
        next = offset + 1;
      }
      assert.ok(batch.nextOffset >= next, 'nextOffset lies behind the last record');
      next = batch.nextOffset;
    }
  }
}

export function record(text: string): StreamRecord {
  return { key: 'tenant/room/doc', value: Buffer.from(text), headers: { s: 'sender', c: '1' } };
}

export function textOf(delivered: DeliveredRecord): string {
  return Buffer.from(delivered.value).toString();
}

export function texts(count: number, prefix = 'r'): string[] {
  return Array.from({ length: count }, (_, at) => `${prefix}${at}`);
}

export async function assertRejects(promise: Promise<unknown>, type: AppErrorType): Promise<void> {
  const outcome = await promise.then(
    () => 'resolved',
    (error: unknown) => (isAppError(error) ? error.type : String(error)),
  );
  assert.equal(outcome, type);
}

/** A promise that somebody else settles. */
export function gate(): { opened: Promise<void>; open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}
