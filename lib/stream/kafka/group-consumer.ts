import { pause } from '../../clock.ts';
import type { ConsumeRequest, Follow, GroupMember, TopicPartition } from '../port.ts';
import type { ClusterClient } from './cluster-client.ts';
import { reasonOf, tellConsumer } from './errors.ts';
import { removeMember } from './group-orphan.ts';
import { GroupSession } from './group-session.ts';
import type { PartitionReader } from './partition-reader.ts';
import type { KafkaSettings } from './settings.ts';
import { Bell } from './timing.ts';
import { TopicIdentities } from './topic-identities.ts';
import type { TopicWatch } from './topic-watch.ts';

export interface GroupParts {
  settings: KafkaSettings;
  cluster: ClusterClient;
  reader: PartitionReader;
  watch: TopicWatch;
}

/** New topics often come together: one rebalance for all of them. */
const GATHER_MS = 100;

/**
 * One member of a group. A kafkajs consumer cannot take up topics while it runs, dies with some errors and with
 * every deleted topic: so a session is its life, and after its end the next one begins with the topics of then.
 * Nothing is lost in between, since every session begins at the consumer's own positions.
 */
export class GroupConsumer implements GroupMember {
  readonly #request: ConsumeRequest;
  readonly #parts: GroupParts;
  readonly #identities: TopicIdentities;
  readonly #bell: Bell;
  readonly #watching: Follow;
  #hasNewTopics = false;
  /** Member id of a session that could not leave the group. */
  #orphan: string | undefined;
  #session: GroupSession | undefined;
  #stopped = false;
  #running: Promise<void> | undefined;

  constructor(request: ConsumeRequest, parts: GroupParts) {
    this.#request = request;
    this.#parts = parts;
    this.#identities = new TopicIdentities(parts.cluster);
    this.#bell = new Bell(parts.settings.clock);
    this.#watching = parts.watch.listen((topic) => {
      if (!this.#wants(topic)) return;
      this.#hasNewTopics = true;
      this.#bell.ring();
    });
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#bell.ring();
    await Promise.all([this.#watching.stop(), this.#running]);
  }

  isAssigned(partition: TopicPartition): boolean {
    return this.#session?.isAssigned(partition) === true;
  }

  #wants(topic: string): boolean {
    return this.#request.topics.includes(topic) || this.#request.accepts?.(topic) === true;
  }

  async #run(): Promise<void> {
    const { clock, retryPauseMs, topicPollMs } = this.#parts.settings;
    while (!this.#stopped) {
      try {
        this.#hasNewTopics = false;
        const topics = (await this.#parts.watch.list()).filter((topic) => this.#wants(topic));
        if (topics.length === 0) await this.#bell.wait(topicPollMs);
        else await this.#runSession(topics);
      } catch (error) {
        this.#report(error);
        await pause(clock, retryPauseMs);
      }
    }
  }

  /** Returns when there are new topics or the consumer is stopped; rejects when the session has broken down. */
  async #runSession(topics: readonly string[]): Promise<void> {
    const { settings } = this.#parts;
    if (this.#orphan !== undefined) await removeMember(this.#parts, this.#request.group, this.#orphan);
    this.#orphan = undefined;
    const session = new GroupSession(topics, {
      ...this.#parts,
      request: this.#request,
      identities: this.#identities,
      onCrash: () => this.#bell.ring(),
    });
    this.#session = session;
    session.start();
    try {
      while (!this.#stopped && !this.#hasNewTopics && !session.crash) await this.#bell.wait();
      if (this.#hasNewTopics && !this.#stopped) await pause(settings.clock, GATHER_MS);
    } finally {
      await session.stop();
    }
    if (!session.crash || this.#stopped) return;
    this.#orphan = session.memberId;
    throw session.crash;
  }

  #report(error: unknown): void {
    if (this.#stopped) return;
    const { group, onError } = this.#request;
    const { logger } = this.#parts.settings;
    logger.warn({ group, reason: reasonOf(error) }, 'group consumer begins again');
    tellConsumer(onError, error, logger);
  }
}
