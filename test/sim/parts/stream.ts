import { AppError } from '../../../lib/errors.ts';
import type {
  ConsumeRequest,
  Follow,
  FollowRequest,
  GroupMember,
  ReadRequest,
  RecordBatch,
  StartedFollow,
  Stream,
  StreamRecord,
  TopicIdentity,
  TopicPartition,
  TopicSpec,
} from '../../../lib/stream/port.ts';
import type { Counters } from '../engine/counters.ts';
import type { SimProcess } from '../engine/process.ts';
import type { Weather } from '../engine/weather.ts';
import { AppendLane } from './append-lane.ts';
import { SimFollower } from './follower.ts';
import type { SimGroup } from './group.ts';
import type { LogPartition, SimLog } from './log.ts';

export interface SimStreamParts {
  process: SimProcess;
  log: SimLog;
  group: SimGroup;
  weather: Weather;
  counters: Counters;
  maxRecordBytes?: number | undefined;
}

/** The stream port of one process. Awareness is dropped: nothing here depends on it. */
export class SimStream implements Stream {
  readonly #parts: SimStreamParts;
  readonly #lanes = new Map<LogPartition, AppendLane>();

  constructor(parts: SimStreamParts) {
    this.#parts = parts;
  }

  /** True while something is on its way into this partition. */
  isAppending(partition: LogPartition): boolean {
    return this.#lanes.get(partition)?.isInFlight ?? false;
  }

  ensureTopics(_specs: readonly TopicSpec[]): Promise<void> {
    return this.#ask('topics', () => undefined);
  }

  identity(topic: string): Promise<TopicIdentity | undefined> {
    return this.#ask('identity', () => this.#parts.log.identity(topic));
  }

  listTopics(): Promise<string[]> {
    return this.#ask('topics', () => this.#parts.log.topics());
  }

  topics(): Follow {
    return { stop: () => Promise.resolve() };
  }

  append(
    target: TopicPartition,
    records: readonly StreamRecord[],
    options?: { durability?: 'log' | 'droppable' },
  ): Promise<number[]> {
    if (options?.durability === 'droppable') return Promise.resolve(records.map(() => 0));
    const { maxRecordBytes = Infinity } = this.#parts;
    if (records.some(({ value }) => value.byteLength > maxRecordBytes))
      return Promise.reject(new AppError('STREAM_RECORD_TOO_LARGE', { data: { maxRecordBytes } }));
    const partition = this.#at(target);
    let lane = this.#lanes.get(partition);
    if (!lane) this.#lanes.set(partition, (lane = new AppendLane({ ...this.#parts, partition })));
    return lane.append(records);
  }

  async follow(request: FollowRequest): Promise<StartedFollow> {
    const partition = this.#at(request);
    const follower = await this.#ask('follow', () => {
      const { fromOffset } = request;
      return new SimFollower(
        { ...this.#parts, partition, request },
        fromOffset === 'end' ? partition.end : fromOffset,
      );
    });
    return follower;
  }

  async consume(request: ConsumeRequest): Promise<GroupMember> {
    return this.#ask('join group', () => this.#parts.group.join(this.#parts.process, request));
  }

  endOffset(at: TopicPartition): Promise<number> {
    return this.#ask('end', () => this.#at(at).end);
  }

  startOffset(at: TopicPartition): Promise<number> {
    return this.#ask('start', () => this.#at(at).start);
  }

  read(request: ReadRequest): Promise<RecordBatch> {
    return this.#ask('read', () => {
      const partition = this.#at(request);
      const { fromOffset, toOffset, maxBytes, topic } = request;
      if (fromOffset < partition.start) {
        this.#parts.counters.count('read-out-of-range');
        throw new AppError('STREAM_OFFSET_OUT_OF_RANGE', { data: { topic, partition: request.partition } });
      }
      const records = partition.from(fromOffset).filter(({ offset }) => offset < toOffset);
      const bytes = records.reduce((sum, { value }) => sum + value.byteLength, 0);
      if (bytes > maxBytes) throw new AppError('STORE_BEHIND');
      const nextOffset = Math.min(toOffset, partition.end);
      return { topic, partition: request.partition, fetchOffset: fromOffset, nextOffset, records };
    });
  }

  trim(at: TopicPartition, beforeOffset: number): Promise<void> {
    return this.#ask('trim', () => this.#at(at).trim(beforeOffset));
  }

  ping(): Promise<boolean> {
    return Promise.resolve(true);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #at(target: TopicPartition): LogPartition {
    const partition = this.#parts.log.at(target);
    if (!partition) throw new AppError('STREAM_TOPIC_MISSING', { data: { ...target } });
    return partition;
  }

  /** A question to the brokers: some time there, some time back. */
  #ask<T>(label: string, answer: () => T): Promise<T> {
    const { process, weather } = this.#parts;
    const { random } = process;
    return new Promise((resolve, reject) => {
      const away = weather.until('log-away', process.name);
      if (away > 0) {
        const delayMs = Math.min(away - process.clock.now(), random.int(50, 3_000));
        return process.after(delayMs, `${label} away`, () => reject(new AppError('STREAM_UNAVAILABLE')));
      }
      process.scheduler.after(random.delay(2, 40), label, () => {
        let settle: () => void;
        try {
          const value = answer();
          settle = () => resolve(value);
        } catch (error) {
          settle = () => reject(error as Error);
        }
        process.after(random.delay(2, 40), `${label} answer`, settle);
      });
    });
  }
}
