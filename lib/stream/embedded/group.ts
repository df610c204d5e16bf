import type { Clock } from '../../clock.ts';
import { AppError, isAppError } from '../../errors.ts';
import type { BatchContext, ConsumeRequest, GroupMember, RecordBatch, TopicPartition } from '../port.ts';
import { Cursor, MAX_BATCH_RECORDS } from './cursor.ts';
import { StopSignal, yieldTo } from './pause.ts';
import type { PartitionLog } from './partition-log.ts';
import { Semaphore } from './semaphore.ts';

const RETRY_PAUSE_MS = 250;
/** Batches that one member works on at a time: bounds what is read into memory with many partitions. */
const CONCURRENT_BATCHES = 8;

export interface GroupParts {
  clock: Clock;
  /** The partitions of all topics that exist now. */
  partitions: () => Iterable<PartitionLog>;
}

/** The members of one group within this process: the first has every partition, the next takes over after it. */
export class ConsumerGroup {
  readonly #parts: GroupParts;
  readonly #members: Member[] = [];

  constructor(parts: GroupParts) {
    this.#parts = parts;
  }

  join(request: ConsumeRequest): GroupMember {
    const member = new Member(request, this.#parts);
    this.#members.push(member);
    if (this.#members.length === 1) member.start();
    let stopped: Promise<void> | undefined;
    return {
      stop: () => (stopped ??= this.#leave(member)),
      isAssigned: (partition) => member.isAssigned(partition),
    };
  }

  addPartition(log: PartitionLog): void {
    this.#members[0]?.add(log);
  }

  async stopAll(): Promise<void> {
    const members = this.#members.splice(0);
    await Promise.all(members.map((member) => member.stop()));
  }

  async #leave(member: Member): Promise<void> {
    await member.stop();
    const at = this.#members.indexOf(member);
    if (at === -1) return;
    this.#members.splice(at, 1);
    // Only now: a partition never has two members at work.
    if (at === 0) this.#members[0]?.start();
  }
}

class Member {
  readonly #request: ConsumeRequest;
  readonly #parts: GroupParts;
  readonly #stop = new StopSignal();
  readonly #slots = new Semaphore(CONCURRENT_BATCHES);
  readonly #running: Promise<void>[] = [];
  #active = false;

  constructor(request: ConsumeRequest, parts: GroupParts) {
    this.#request = request;
    this.#parts = parts;
  }

  start(): void {
    this.#active = true;
    for (const log of this.#parts.partitions()) this.add(log);
  }

  add(log: PartitionLog): void {
    if (this.isAssigned(log)) this.#running.push(this.#run(log));
  }

  isAssigned({ topic }: Pick<TopicPartition, 'topic'>): boolean {
    const { topics, accepts } = this.#request;
    if (!this.#active || this.#stop.stopped) return false;
    return topics.includes(topic) || accepts?.(topic) === true;
  }

  async stop(): Promise<void> {
    this.#stop.stop();
    await Promise.all(this.#running);
  }

  /** One partition: asks for its beginning, then hands out batches until it must ask again. */
  async #run(log: PartitionLog): Promise<void> {
    while (!this.#stop.stopped) {
      let close = (): void => undefined;
      try {
        const { topic, partition } = log;
        const start = await this.#request.startOffset({ topic, partition });
        log.requireInRange(start);
        const cursor = new Cursor(log, start);
        const forget = this.#stop.onStop(() => cursor.close());
        close = () => {
          forget();
          cursor.close();
        };
        await this.#consume(cursor);
      } catch (error) {
        this.#request.onError?.(error as Error);
        await this.#stop.pause(this.#parts.clock, RETRY_PAUSE_MS);
      } finally {
        close();
      }
    }
  }

  async #consume(cursor: Cursor): Promise<void> {
    while (!this.#stop.stopped) {
      const release = await this.#slots.acquire();
      let held = true;
      const free = () => {
        if (held) release();
        held = false;
      };
      try {
        const taken = this.#stop.stopped ? undefined : await cursor.take();
        if (!taken) {
          free();
          await cursor.changed();
          continue;
        }
        cursor.seek(await this.#work(taken.batch, free));
        free();
        if (taken.fromFile) await yieldTo(this.#parts.clock);
        else await this.#collect(taken.batch);
      } finally {
        free();
      }
    }
  }

  /** After a batch, not before it: what comes after a silence does not wait, nor does a backlog. */
  async #collect({ records }: RecordBatch): Promise<void> {
    const { collectMs = 0 } = this.#request;
    if (collectMs > 0 && records.length < MAX_BATCH_RECORDS)
      await this.#stop.pause(this.#parts.clock, collectMs);
  }

  /** Hands out the batch until it is accepted; the offset to go on with. */
  async #work(batch: RecordBatch, free: () => void): Promise<number> {
    const context: BatchContext = {
      heartbeat: () => Promise.resolve(),
      isStale: () => this.#stop.stopped,
    };
    while (!this.#stop.stopped) {
      try {
        const next = await this.#request.onBatch(batch, context);
        if (Number.isSafeInteger(next) && next >= 0) return next;
        throw new AppError('INTERNAL', { message: 'A consumer returned no offset.', data: { next } });
      } catch (error) {
        if (isAppError(error, 'STREAM_OFFSET_OUT_OF_RANGE')) throw error;
        this.#request.onError?.(error as Error);
        free();
        await this.#stop.pause(this.#parts.clock, RETRY_PAUSE_MS);
      }
    }
    return batch.fetchOffset;
  }
}
