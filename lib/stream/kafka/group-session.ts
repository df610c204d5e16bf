import type { Consumer, EachBatchPayload } from 'kafkajs';
import { AppError } from '../../errors.ts';
import type { ConsumeRequest, TopicPartition } from '../port.ts';
import type { ClusterClient } from './cluster-client.ts';
import { hasKafkaName, reasonOf, toStreamError } from './errors.ts';
import { GroupAssignment, type Assigned } from './group-assignment.ts';
import { fetchedOffsetOf, toGroupBatch } from './group-batch.ts';
import { createGroupClient } from './group-client.ts';
import { isHole, requireInRange } from './group-positions.ts';
import type { KafkaJsClient } from './kafkajs-client.ts';
import type { PartitionReader } from './partition-reader.ts';
import type { KafkaSettings } from './settings.ts';
import { settlesWithin } from './timing.ts';
import type { TopicIdentities } from './topic-identities.ts';

export interface SessionParts {
  request: ConsumeRequest;
  settings: KafkaSettings;
  cluster: ClusterClient;
  reader: PartitionReader;
  identities: TopicIdentities;
  onCrash: () => void;
}

const CONCURRENT_PARTITIONS = 8;
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
  readonly #assignment: GroupAssignment;
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
    const { client, consumer } = createGroupClient(parts, request);
    this.#client = client;
    this.#consumer = consumer;
    this.#assignment = new GroupAssignment({ ...parts, consumer });
  }

  /** Why it has ended by itself, if it has. */
  get crash(): Error | undefined {
    return this.#crash;
  }

  /** Of the last time that it joined the group. */
  get memberId(): string | undefined {
    return this.#memberId;
  }

  isAssigned(partition: TopicPartition): boolean {
    return this.#assignment.get(partition) !== undefined;
  }

  start(): void {
    this.#starting = this.#join().catch((error: unknown) => this.#onCrash(error));
  }

  /** Leaves the group. Bounded in time: what still hangs is cut off. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#assignment.revokeAll();
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
    const { settings } = this.#parts;
    const { GROUP_JOIN, HEARTBEAT, CRASH, REQUEST_TIMEOUT } = this.#consumer.events;
    this.#consumer.on(GROUP_JOIN, ({ payload }) => {
      this.#memberId = payload.memberId;
      this.#heartbeatAt = settings.clock.now();
      this.#assignment.replace(payload.memberAssignment);
    });
    this.#consumer.on(HEARTBEAT, () => void (this.#heartbeatAt = settings.clock.now()));
    this.#consumer.on(CRASH, ({ payload }) => this.#onCrash(payload.error));
    this.#consumer.on(REQUEST_TIMEOUT, ({ payload }) => this.#client.cut(payload.broker));
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
    this.#assignment.revokeAll();
    this.#parts.onCrash();
  }

  async #onBatch(payload: EachBatchPayload): Promise<void> {
    const { batch } = payload;
    const assigned = this.#assignment.get(batch);
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
      this.#assignment.retryLater(assigned, error);
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
      this.#assignment.seek(assigned, to.next);
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
      this.#assignment.seek(assigned, expected);
    } catch (error) {
      this.#assignment.retryLater(assigned, error);
    }
    return false;
  }

  #isStale(assigned: Assigned): boolean {
    const { clock, sessionTimeoutMs } = this.#parts.settings;
    return assigned.isRevoked || this.#stopped || clock.now() - this.#heartbeatAt > sessionTimeoutMs;
  }
}
