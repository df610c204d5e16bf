import type { Consumer } from 'kafkajs';
import { pause } from '../../clock.ts';
import { isAppError } from '../../errors.ts';
import type { ConsumeRequest, TopicPartition } from '../port.ts';
import type { ClusterClient } from './cluster-client.ts';
import { reasonOf, tellConsumer } from './errors.ts';
import { requireInRange } from './group-positions.ts';
import type { KafkaSettings } from './settings.ts';
import type { TopicIdentities } from './topic-identities.ts';

export interface AssignmentParts {
  consumer: Consumer;
  request: ConsumeRequest;
  settings: KafkaSettings;
  cluster: ClusterClient;
  identities: TopicIdentities;
}

/** One assignment of a partition to this member. */
export interface Assigned extends TopicPartition {
  /** Where the next batch must begin; undefined until the consumer has been asked. */
  expected: number | undefined;
  /** True when the partition may belong to another member. */
  isRevoked: boolean;
}

const OUT_OF_RANGE_PAUSE_MS = 1000;

/** The partitions that a member has now, each read from where the consumer says, and paused while it cannot go on. */
export class GroupAssignment {
  readonly #parts: AssignmentParts;
  readonly #consumer: Consumer;
  readonly #assigned = new Map<string, Assigned>();

  constructor(parts: AssignmentParts) {
    this.#parts = parts;
    this.#consumer = parts.consumer;
  }

  get(partition: TopicPartition): Assigned | undefined {
    return this.#assigned.get(keyOf(partition));
  }

  /**
   * kafkajs does not wait for this handler, and begins to fetch at committed offsets: so everything is paused here,
   * synchronously, until the consumer has said where its own position is.
   */
  replace(assignment: Record<string, number[]>): void {
    this.revokeAll();
    for (const [topic, partitions] of Object.entries(assignment)) {
      this.#quietly(() => this.#consumer.pause([{ topic, partitions }]));
      for (const partition of partitions) {
        const assigned: Assigned = { topic, partition, expected: undefined, isRevoked: false };
        this.#assigned.set(keyOf(assigned), assigned);
        void this.#begin(assigned);
      }
    }
  }

  revokeAll(): void {
    for (const assigned of this.#assigned.values()) assigned.isRevoked = true;
    this.#assigned.clear();
  }

  /** The same batch again after a pause, while the other partitions go on. */
  retryLater(assigned: Assigned, error: unknown): void {
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
        this.seek(assigned, expected);
        this.#quietly(() => this.#consumer.resume([{ topic, partitions: [partition] }]));
      }
    }, retryPauseMs);
  }

  seek(assigned: Assigned, offset: number): void {
    const { topic, partition } = assigned;
    assigned.expected = offset;
    this.#quietly(() => this.#consumer.seek({ topic, partition, offset: String(offset) }));
  }

  /** Asks the consumer for its position until it is known to be in the log; then reading begins there. */
  async #begin(assigned: Assigned): Promise<void> {
    const { request, settings, identities, cluster } = this.#parts;
    const { topic, partition } = assigned;
    let told: string | undefined;
    while (!assigned.isRevoked) {
      try {
        const topicId = await identities.requireSame(topic);
        const start = await request.startOffset({ topic, partition }, topicId);
        await requireInRange(cluster, assigned, start);
        if (assigned.isRevoked) return;
        this.seek(assigned, start);
        this.#quietly(() => this.#consumer.resume([{ topic, partitions: [partition] }]));
        return;
      } catch (error) {
        if (assigned.isRevoked) return;
        // It may last for hours, and is asked again and again.
        if (told !== reasonOf(error)) this.#report(assigned, error);
        told = reasonOf(error);
        const isLasting = isAppError(error) && !error.retryable;
        await pause(settings.clock, isLasting ? OUT_OF_RANGE_PAUSE_MS : settings.retryPauseMs);
      }
    }
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
