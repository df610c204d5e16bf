import type {
  DeliveredRecord,
  StreamRecord,
  TopicIdentity,
  TopicPartition,
} from '../../../lib/stream/port.ts';
import type { SimProcess } from '../engine/process.ts';
import type { Random } from '../engine/random.ts';
import type { Scheduler } from '../engine/scheduler.ts';

const WALL_TIME_MS = 1_700_000_000_000;

/** A follow as far as its partition knows it. */
interface EndableFollow {
  readonly process: SimProcess;
  end(): void;
}

/** One partition at its broker. Offsets have holes, and its beginning may be gone. */
export class LogPartition implements TopicPartition {
  readonly topic: string;
  readonly partition: number;
  /** All that ever was in it; what lies before `start` cannot be read any more. */
  readonly records: DeliveredRecord[] = [];
  start = 0;
  end = 0;
  /** Called after each append, in the order of their arrival. */
  readonly onAppend = new Set<() => void>();
  readonly followers = new Set<EndableFollow>();
  readonly #log: SimLog;

  constructor(log: SimLog, topic: string, partition: number) {
    this.#log = log;
    this.topic = topic;
    this.partition = partition;
  }

  /** Durable from here on. */
  append(records: readonly StreamRecord[]): number[] {
    const { random, scheduler, holeChance } = this.#log;
    const offsets = records.map((record) => {
      if (random.next() < holeChance) this.end += random.int(1, 3);
      const offset = this.end++;
      this.records.push({ ...record, offset, timestampMs: WALL_TIME_MS + scheduler.now });
      return offset;
    });
    // The end of a transaction is a record too, which no reader is given.
    if (random.next() < holeChance) this.end += 1;
    for (const listener of [...this.onAppend]) listener();
    return offsets;
  }

  /** The records from an offset on. */
  from(offset: number): DeliveredRecord[] {
    return this.records.slice(this.indexOf(offset));
  }

  trim(before: number): void {
    this.start = Math.max(this.start, Math.min(before, this.end));
  }

  /** Index of the first record at `offset` or behind it. */
  indexOf(offset: number): number {
    let low = 0;
    let high = this.records.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.records[middle]!.offset < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The brokers: what is in here survives everything. */
export class SimLog {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly holeChance: number;
  readonly #topics = new Map<string, LogPartition[]>();

  constructor(options: { scheduler: Scheduler; random: Random; holeChance: number }) {
    this.scheduler = options.scheduler;
    this.random = options.random;
    this.holeChance = options.holeChance;
  }

  makeTopic(topic: string, partitions: number): void {
    if (this.#topics.has(topic)) return;
    this.#topics.set(
      topic,
      Array.from({ length: partitions }, (_, partition) => new LogPartition(this, topic, partition)),
    );
  }

  identity(topic: string): TopicIdentity | undefined {
    const partitions = this.#topics.get(topic)?.length;
    return partitions === undefined ? undefined : { topic, topicId: topic, clusterId: 'sim', partitions };
  }

  topics(): string[] {
    return [...this.#topics.keys()];
  }

  partitions(topic: string): readonly LogPartition[] {
    return this.#topics.get(topic) ?? [];
  }

  at({ topic, partition }: TopicPartition): LogPartition | undefined {
    return this.#topics.get(topic)?.[partition];
  }
}
