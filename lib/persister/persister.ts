import type { Clock } from '../clock.ts';
import { isAppError } from '../errors.ts';
import type { Logger } from '../log.ts';
import {
  PERSISTER_CONSUMER,
  type IncomingRecord,
  type PersistenceAdapter,
  type StoreResult,
} from '../store/port.ts';
import type {
  BatchContext,
  DeliveredRecord,
  GroupMember,
  RecordBatch,
  Stream,
  TopicPartition,
} from '../stream/port.ts';
import type { TopicResolver } from '../stream/topics.ts';
import { noPersisterMetrics, type PersisterMetrics } from './metrics.ts';
import { classifyRecord, type ClassifierOptions } from './classify.ts';
import { RenewableMember } from './renewable-member.ts';
import { splitBatch } from './split.ts';
import { RunWriter } from './writer.ts';

export interface PersisterParts {
  stream: Pick<Stream, 'consume' | 'listTopics' | 'endOffset'>;
  store: Pick<PersistenceAdapter, 'storeBatch' | 'nextOffset'>;
  topics: Pick<TopicResolver, 'isOfKind' | 'staticTopics'>;
  epochs: { epochOf(topic: string, topicId?: string): Promise<number> };
  /** Members of one group share the partitions. */
  group: string;
  classifier: ClassifierOptions;
  /**
   * How long new records may wait for others: a transaction costs as much as some twenty rows, and a join reads from
   * the log what is not stored yet. Default 0.
   */
  delayMs?: number;
  clock: Clock;
  logger: Logger;
  onStored?: (touched: StoreResult['touched']) => void;
  metrics?: PersisterMetrics;
}

export interface StoredPosition extends TopicPartition {
  epoch: number;
  nextOffset: number;
  /** Offsets between the stored position and the end of the log. */
  lag: number;
}

export interface PersisterStatus {
  consuming: boolean;
  /** The store fails: batches wait. */
  storeOut: boolean;
  blocked: BlockedPartition[];
}

/** A partition that stands still until somebody acts: the log no longer has what comes next, or is another one. */
export interface BlockedPartition extends TopicPartition {
  epoch?: number;
  /** What is to be stored next; absent when the topic is another one than before, and has no epoch yet. */
  offset?: number;
}

interface AssignedPartition extends TopicPartition {
  epoch: number;
  /** Where it stood when the store was last heard of. */
  nextOffset: number;
}

/** Follows the doc topics as a member of a group and puts every record into the store, exactly where the last one ended. */
export class Persister {
  readonly #parts: PersisterParts;
  readonly #writer: RunWriter;
  readonly #assigned = new Map<string, AssignedPartition>();
  readonly #blocked = new Map<string, BlockedPartition>();
  readonly #member: RenewableMember;
  #stopped = false;
  #storeOut = false;

  constructor(parts: PersisterParts) {
    this.#parts = parts;
    const { clock, logger } = parts;
    this.#member = new RenewableMember({ consume: () => this.#consume(), clock, logger });
    this.#writer = new RunWriter({
      store: parts.store,
      clock,
      logger,
      metrics: parts.metrics ?? noPersisterMetrics,
      onStored: (touched) => parts.onStored?.(touched),
      onOutage: (isOut) => {
        this.#storeOut = isOut;
      },
    });
  }

  /** Resolves when the group has been joined. */
  start(): Promise<void> {
    return this.#member.start();
  }

  async #consume(): Promise<GroupMember> {
    const { stream, topics, group } = this.#parts;
    const accepts = (topic: string) => topics.isOfKind('doc', topic);
    const fixed = topics.staticTopics.filter(({ kind }) => kind === 'doc').map(({ topic }) => topic);
    const existing = (await stream.listTopics()).filter(accepts);
    return stream.consume({
      group,
      topics: [...new Set([...fixed, ...existing])],
      accepts,
      collectMs: this.#parts.delayMs ?? 0,
      startOffset: (partition, topicId) => this.#startOffset(partition, topicId),
      onBatch: (batch, context) => this.#store(batch, context),
      onError: (error) => this.#onError(error),
    });
  }

  /** Lets the running transaction end, then leaves the group. Idempotent. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#member.stop();
  }

  status(): PersisterStatus {
    this.#forgetOthers();
    return {
      consuming: this.#member.isMember,
      storeOut: this.#storeOut,
      blocked: [...this.#blocked.values()],
    };
  }

  /** Whether the partition is this member's, and where it begins is known. */
  isAssigned(epoch: number, partition: number): boolean {
    const assigned = this.#assigned.get(`${epoch}/${partition}`);
    return assigned !== undefined && this.#isOwn(assigned);
  }

  /** Partitions that are this member's now. */
  get assignedPartitions(): number {
    this.#forgetOthers();
    return this.#assigned.size;
  }

  /**
   * Where each assigned partition stands. While the store is away, where it stood before: nobody else moves it on, and
   * what the log will soon forget must be told then above all.
   */
  async positions(): Promise<StoredPosition[]> {
    const { stream } = this.#parts;
    this.#forgetOthers();
    return Promise.all(
      [...this.#assigned.values()].map(async (assigned) => {
        const { topic, partition, epoch } = assigned;
        const nextOffset = await this.#nextOffset(assigned);
        const end = await stream.endOffset({ topic, partition });
        return { topic, partition, epoch, nextOffset, lag: Math.max(0, end - nextOffset) };
      }),
    );
  }

  async #nextOffset(assigned: AssignedPartition): Promise<number> {
    const { epoch, partition } = assigned;
    try {
      assigned.nextOffset = await this.#parts.store.nextOffset(PERSISTER_CONSUMER, epoch, partition);
    } catch (error) {
      if (!isAppError(error, 'STORE_UNAVAILABLE')) throw error;
    }
    return assigned.nextOffset;
  }

  /** Before the start has resolved the group asks for positions already. */
  #isOwn(at: TopicPartition): boolean {
    return this.#member.isAssigned(at) ?? true;
  }

  /** What went to another member is told, and counted, by that one. */
  #forgetOthers(): void {
    for (const [key, at] of this.#assigned) if (!this.#isOwn(at)) this.#assigned.delete(key);
    for (const [key, at] of this.#blocked) if (!this.#isOwn(at)) this.#blocked.delete(key);
  }

  async #startOffset(at: TopicPartition, topicId?: string): Promise<number> {
    const epoch = await this.#parts.epochs.epochOf(at.topic, topicId).catch((error: unknown) => {
      if (isAppError(error) && !error.retryable) this.#blocked.set(`${at.topic}/${at.partition}`, { ...at });
      throw error;
    });
    const nextOffset = await this.#parts.store.nextOffset(PERSISTER_CONSUMER, epoch, at.partition);
    this.#assigned.set(`${epoch}/${at.partition}`, { ...at, epoch, nextOffset });
    // Somebody has accepted the loss: going on from elsewhere.
    const key = `${at.topic}/${at.partition}`;
    if (this.#blocked.get(key)?.offset !== nextOffset) this.#blocked.delete(key);
    return nextOffset;
  }

  /** Stores the batch in runs, with a heartbeat between them; the offset to go on with. */
  async #store(batch: RecordBatch, context: BatchContext): Promise<number> {
    const epoch = await this.#parts.epochs.epochOf(batch.topic);
    this.#blocked.delete(`${batch.topic}/${batch.partition}`);
    const place = { epoch, partition: batch.partition, context, isStopped: () => this.#stopped };
    let reached = batch.fetchOffset;
    for (const run of splitBatch(batch, (record) => this.#classify(batch, record))) {
      if (run.nextOffset <= reached && run.records.length > 0) continue; // known from a former delivery
      reached = (await this.#writer.write(run, place)).nextOffset;
      const assigned = this.#assigned.get(`${epoch}/${batch.partition}`);
      if (assigned) assigned.nextOffset = reached;
      if (reached < run.nextOffset || reached > batch.nextOffset) return reached;
      await context.heartbeat();
    }
    return reached;
  }

  /** What cannot be used is told, with where it lies; `quarantined_records` keeps it. */
  #classify({ topic, partition }: TopicPartition, record: DeliveredRecord): IncomingRecord | undefined {
    const { classifier, logger } = this.#parts;
    const incoming = classifyRecord(record, classifier);
    if (incoming?.kind === 'quarantine') {
      const { offset, reason } = incoming;
      logger.warn({ topic, partition, offset, reason }, 'record quarantined');
    }
    return incoming;
  }

  /** Rule 8: out of range = the partition stands still and the alarm is raised; it is never moved over a loss. */
  #onError(error: Error): void {
    const { logger } = this.#parts;
    if (isAppError(error, 'STREAM_IDENTITY_CHANGED')) {
      // What the store says of it is told by the group, for each partition.
      if (error.data.is === undefined || !this.#member.isMember) return;
      logger.error({ err: error }, 'a topic was made again: it is stored only when it has been adopted');
      // A new member asks the store, again and again, until somebody has adopted it.
      this.#member.renew(() => this.#assigned.clear());
      return;
    }
    if (!isAppError(error, 'STREAM_OFFSET_OUT_OF_RANGE')) {
      logger.warn({ err: error }, 'consuming failed: trying again');
      return;
    }
    const { topic, partition, offset } = error.data as { topic: string; partition: number; offset: number };
    const key = `${topic}/${partition}`;
    if (this.#blocked.has(key)) return;
    const assigned = [...this.#assigned.values()].findLast(
      (at) => at.topic === topic && at.partition === partition,
    );
    const blocked = { topic, partition, offset, ...(assigned ? { epoch: assigned.epoch } : {}) };
    this.#blocked.set(key, blocked);
    logger.error({ err: error, ...blocked }, 'the log no longer has what is to be stored next');
  }
}
