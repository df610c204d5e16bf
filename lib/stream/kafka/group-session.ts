import type { Consumer, EachBatchPayload } from 'kafkajs';
import { AppError, isAppError } from '../../errors.ts';
import type { ConsumeRequest, TopicPartition } from '../port.ts';
import type { ClusterClient } from './cluster-client.ts';
import { hasKafkaName, reasonOf, tellConsumer, toStreamError } from './errors.ts';
import { fetchedOffsetOf, toGroupBatch } from './group-batch.ts';
import { createGroupClient } from './group-client.ts';
import { isHole, requireInRange } from './group-positions.ts';
import type { KafkaJsClient } from './kafkajs-client.ts';
import type { PartitionReader } from './partition-reader.ts';
import type { KafkaSettings } from './settings.ts';
import { pause, settlesWithin } from './timing.ts';
import type { TopicIdentities } from './topic-identities.ts';

export interface SessionParts {
  request: ConsumeRequest;
  settings: KafkaSettings;
  cluster: ClusterClient;
  reader: PartitionReader;
  identities: TopicIdentities;
  onCrash: () => void;
}

/** One assignment of a partition to this member. */
interface Assigned extends TopicPartition {
  /** Where the next batch must begin; undefined until the consumer has been asked. */
  expected: number | undefined;
  /** True when the partition may belong to another member. */
  isRevoked: boolean;
}

const CONCURRENT_PARTITIONS = 8;
const OUT_OF_RANGE_PAUSE_MS = 1000;
const LAST_ATTEMPT_MS = 1500;
const LOST_MEMBERSHIP = [
  'REBALANCE_IN_PROGRESS',
  'UNKNOWN_MEMBER_ID',
  'ILLEGAL_GENERATION',
  'FENCED_INSTANCE_ID',
];

/** One life of a kafkajs consumer: from joining the group to a crash or `stop`. */
export class GroupSession {
  readonly #topics: readonly string[];
  readonly #parts: SessionParts;
  readonly #client: KafkaJsClient;
  readonly #consumer: Consumer;
  readonly #assigned = new Map<string, Assigned>();
  #heartbeatAt: number;
  #starting: Promise<void> | undefined;
  #stopped = false;
  #crash: Error | undefined;
  #memberId: string | undefined;

  constructor(topics: readonly string[], parts: SessionParts) {
    const { settings, request } = parts;
    this.#topics = topics;
    this.#parts = parts;
    this.#heartbeatAt = settings.clock.now();
    const { client, consumer } = createGroupClient(settings, request);
    this.#client = client;
    this.#consumer = consumer;
  }

  /** Why it has ended by itself, if it has. */
  get crash(): Error | undefined {
    return this.#crash;
  }

  /** Of the last time that it joined the group. */
  get memberId(): string | undefined {
    return this.#memberId;
  }

  start(): void {
    this.#starting = this.#join().catch((error: unknown) => this.#onCrash(error));
  }

  /** Leaves the group. Bounded in time: what still hangs is cut off. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#revokeAll();
    const { clock, closeTimeoutMs, logger } = this.#parts.settings;
    const leaving = async () => {
      await this.#starting;
      await this.#consumer.disconnect();
    };
    const left = leaving().catch((error: unknown) => {
      logger.debug({ reason: reasonOf(error) }, 'kafka consumer not closed in order');
    });
    const hasLeft = await settlesWithin(clock, left, closeTimeoutMs / 3);
    this.#client.abandon();
    // What kafkajs still tries ends with its next attempt, since the client has been abandoned.
    if (!hasLeft) await settlesWithin(clock, left, LAST_ATTEMPT_MS);
  }

  async #join(): Promise<void> {
    const { GROUP_JOIN, HEARTBEAT, CRASH } = this.#consumer.events;
    this.#consumer.on(GROUP_JOIN, ({ payload }) => {
      this.#memberId = payload.memberId;
      this.#onJoin(payload.memberAssignment);
    });
    this.#consumer.on(HEARTBEAT, () => void (this.#heartbeatAt = this.#parts.settings.clock.now()));
    this.#consumer.on(CRASH, ({ payload }) => this.#onCrash(payload.error));
    await this.#consumer.connect();
    await this.#consumer.subscribe({ topics: [...this.#topics], fromBeginning: true });
    await this.#consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: CONCURRENT_PARTITIONS,
      eachBatch: (payload) => this.#onBatch(payload),
    });
  }

  #onCrash(error: unknown): void {
    if (this.#crash || this.#stopped) return;
    this.#crash = toStreamError(error);
    this.#revokeAll();
    this.#parts.onCrash();
  }

  /**
   * kafkajs does not wait for this handler, and begins to fetch at committed offsets: so everything is paused here,
   * synchronously, until the consumer has said where its own position is.
   */
  #onJoin(assignment: Record<string, number[]>): void {
    this.#revokeAll();
    this.#heartbeatAt = this.#parts.settings.clock.now();
    for (const [topic, partitions] of Object.entries(assignment)) {
      this.#quietly(() => this.#consumer.pause([{ topic, partitions }]));
      for (const partition of partitions) {
        const assigned: Assigned = { topic, partition, expected: undefined, isRevoked: false };
        this.#assigned.set(keyOf(assigned), assigned);
        void this.#begin(assigned);
      }
    }
  }

  #revokeAll(): void {
    for (const assigned of this.#assigned.values()) assigned.isRevoked = true;
    this.#assigned.clear();
  }

  /** Asks the consumer for its position until it is known to be in the log; then reading begins there. */
  async #begin(assigned: Assigned): Promise<void> {
    const { request, settings, identities, cluster } = this.#parts;
    const { topic, partition } = assigned;
    while (!assigned.isRevoked) {
      try {
        await identities.requireSame(topic);
        const start = await request.startOffset({ topic, partition });
        await requireInRange(cluster, assigned, start);
        if (assigned.isRevoked) return;
        this.#seek(assigned, start);
        this.#quietly(() => this.#consumer.resume([{ topic, partitions: [partition] }]));
        return;
      } catch (error) {
        if (assigned.isRevoked) return;
        this.#report(assigned, error);
        const isLasting = isAppError(error) && !error.retryable;
        await pause(settings.clock, isLasting ? OUT_OF_RANGE_PAUSE_MS : settings.retryPauseMs);
      }
    }
  }

  async #onBatch(payload: EachBatchPayload): Promise<void> {
    const { batch } = payload;
    const assigned = this.#assigned.get(keyOf(batch));
    // Before its seek, or after its revocation: it comes again to whom it belongs.
    if (assigned?.expected === undefined || assigned.isRevoked || this.#stopped) return;
    const expected = assigned.expected;
    if (!(await this.#continues(assigned, expected, fetchedOffsetOf(batch)))) return;
    let lost: unknown;
    const heartbeat = async () => {
      try {
        await payload.heartbeat();
      } catch (error) {
        lost = error;
        if (hasKafkaName(error, ...LOST_MEMBERSHIP)) assigned.isRevoked = true;
      }
    };
    const records = toGroupBatch(batch, expected);
    let next: number;
    try {
      next = await this.#parts.request.onBatch(records, {
        heartbeat,
        isStale: () => this.#isStale(assigned),
      });
      if (!Number.isSafeInteger(next) || next < 0)
        throw new AppError('INTERNAL', { message: 'A consumer returned no offset.', data: { next } });
    } catch (error) {
      this.#retryLater(assigned, error);
      return;
    }
    if (!assigned.isRevoked) await this.#goOn(assigned, payload, { next, whole: records.nextOffset });
    // kafkajs joins the group again when it hears of it here.
    if (lost !== undefined) throw lost;
  }

  async #goOn(
    assigned: Assigned,
    payload: EachBatchPayload,
    to: { next: number; whole: number },
  ): Promise<void> {
    const { topic, partition } = assigned;
    if (to.next !== to.whole) {
      this.#seek(assigned, to.next);
      return;
    }
    assigned.expected = to.next;
    payload.resolveOffset(String(to.next - 1));
    const partitions = [{ partition, offset: String(to.next) }];
    await payload.commitOffsetsIfNecessary({ topics: [{ topic, partitions }] });
  }

  /**
   * Whether the batch is of the same topic and continues at `expected`. kafkajs skips batches without records by itself, so it may begin
   * behind a hole; but after an offset out of range it begins somewhere else, too.
   */
  async #continues(assigned: Assigned, expected: number, fetchedOffset: number): Promise<boolean> {
    const { identities, reader, cluster } = this.#parts;
    try {
      await identities.requireSame(assigned.topic);
      if (
        fetchedOffset === expected ||
        (await isHole(reader, assigned, { from: expected, to: fetchedOffset }))
      )
        return !assigned.isRevoked;
      await requireInRange(cluster, assigned, expected);
      this.#seek(assigned, expected);
    } catch (error) {
      this.#retryLater(assigned, error);
    }
    return false;
  }

  /** The same batch again after a pause, while the other partitions go on. */
  #retryLater(assigned: Assigned, error: unknown): void {
    if (assigned.isRevoked) return;
    const { topic, partition, expected } = assigned;
    const { clock, retryPauseMs } = this.#parts.settings;
    this.#report(assigned, error);
    this.#quietly(() => this.#consumer.pause([{ topic, partitions: [partition] }]));
    const askAgain = expected === undefined || (isAppError(error) && !error.retryable);
    clock.setTimeout(() => {
      if (assigned.isRevoked) return;
      if (askAgain) void this.#begin(assigned);
      else {
        this.#seek(assigned, expected);
        this.#quietly(() => this.#consumer.resume([{ topic, partitions: [partition] }]));
      }
    }, retryPauseMs);
  }

  #seek(assigned: Assigned, offset: number): void {
    const { topic, partition } = assigned;
    assigned.expected = offset;
    this.#quietly(() => this.#consumer.seek({ topic, partition, offset: String(offset) }));
  }

  #isStale(assigned: Assigned): boolean {
    const { clock, sessionTimeoutMs } = this.#parts.settings;
    return assigned.isRevoked || this.#stopped || clock.now() - this.#heartbeatAt > sessionTimeoutMs;
  }

  #report({ topic, partition }: TopicPartition, error: unknown): void {
    const { request, settings } = this.#parts;
    const fields = { group: request.group, topic, partition, reason: reasonOf(error) };
    if (isAppError(error) && !error.retryable) settings.logger.error(fields, 'partition paused');
    else settings.logger.warn(fields, 'partition pauses');
    tellConsumer(request.onError, error, settings.logger);
  }

  /** kafkajs throws when it has crashed meanwhile; then everything begins again anyway. */
  #quietly(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#parts.settings.logger.debug({ reason: reasonOf(error) }, 'kafka consumer does not run');
    }
  }
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}
