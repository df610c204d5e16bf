import { AppError } from '../../errors.ts';
import type { FollowRequest, StartedFollow } from '../port.ts';
import type { ClusterClient, ClusterView } from './cluster-client.ts';
import { reasonOf, toStreamError } from './errors.ts';
import { FetchClient } from './fetch-client.ts';
import { Follower } from './follower.ts';
import { LeaderLoop } from './leader-loop.ts';
import type { PartitionReader } from './partition-reader.ts';
import type { KafkaSettings } from './settings.ts';
import { Bell } from './timing.ts';

const OFFSET_OUT_OF_RANGE = 1;
const MISSING_POLL_MS = 50;
/** Backlogs that are read at the same time. */
const MAX_CATCH_UPS = 8;

/**
 * Takes each follow through its life: locate (find the topic and its leader, or wait for them), catch up (read the
 * backlog on connections of its own), live (one loop for each leader). Any failure leads back to the first step,
 * with the follow's own offset.
 */
export class FollowManager {
  readonly #settings: KafkaSettings;
  readonly #cluster: ClusterClient;
  readonly #reader: PartitionReader;
  readonly #followers = new Set<Follower>();
  readonly #unlocated = new Set<Follower>();
  readonly #loops = new Map<number, LeaderLoop>();
  readonly #bell: Bell;
  #catchUps = 0;
  #isReachable = true;
  #closed = false;
  readonly #locating: Promise<void>;

  constructor(settings: KafkaSettings, cluster: ClusterClient, reader: PartitionReader) {
    this.#settings = settings;
    this.#cluster = cluster;
    this.#reader = reader;
    this.#bell = new Bell(settings.clock);
    this.#locating = this.#locateAll();
  }

  async follow(request: FollowRequest): Promise<StartedFollow> {
    const startOffset = await this.#startOffset(request);
    if (this.#closed) throw new AppError('STREAM_CLOSED');
    const follower = new Follower(request, startOffset, {
      logger: this.#settings.logger,
      onStop: (stopped) => this.#remove(stopped),
    });
    this.#followers.add(follower);
    this.#relocate(follower);
    return follower;
  }

  /** A topic has been made: whoever waits for it need not wait for the next poll. */
  topicMade(topic: string): void {
    if ([...this.#unlocated].some((follower) => follower.request.topic === topic)) this.#bell.ring();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#bell.ring();
    const stopping = [...this.#followers].map((follower) => follower.stop());
    await Promise.all([...stopping, ...[...this.#loops.values()].map((loop) => loop.close())]);
    await this.#locating;
  }

  /** A topic that is missing has offset 0: it is read from its beginning when it has been made. */
  async #startOffset(request: FollowRequest): Promise<number> {
    const { fromOffset } = request;
    if (fromOffset === 'end') return (await this.#cluster.offset(request, 'end')) ?? 0;
    return fromOffset === 0 ? ((await this.#cluster.offset(request, 'first')) ?? 0) : fromOffset;
  }

  #remove(follower: Follower): void {
    this.#followers.delete(follower);
    this.#unlocated.delete(follower);
    for (const loop of this.#loops.values()) loop.remove(follower);
  }

  #relocate(follower: Follower): void {
    if (follower.stopped || this.#closed) return;
    this.#unlocated.add(follower);
    this.#bell.ring();
  }

  async #locateAll(): Promise<void> {
    let pauseMs: number | undefined;
    while (!this.#closed) {
      await this.#bell.wait(pauseMs);
      pauseMs = this.#unlocated.size === 0 ? undefined : await this.#locateOnce(pauseMs);
    }
  }

  /** Returns the pause before the next round, undefined when nobody waits. */
  async #locateOnce(lastPauseMs: number | undefined): Promise<number | undefined> {
    const waiting = [...this.#unlocated];
    try {
      const view = await this.#cluster.metadata([...new Set(waiting.map(({ request }) => request.topic))]);
      this.#reachable(true);
      for (const follower of waiting) this.#locate(follower, view);
    } catch (error) {
      if (this.#closed) return undefined;
      this.#reachable(false, error);
      for (const follower of waiting) follower.wait(toStreamError(error));
      return this.#settings.retryPauseMs;
    }
    if (this.#unlocated.size === 0) return undefined;
    return Math.min(2 * (lastPauseMs ?? MISSING_POLL_MS), this.#settings.topicPollMs);
  }

  #locate(follower: Follower, view: ClusterView): void {
    if (follower.stopped || !this.#unlocated.has(follower)) return;
    const { topic, partition } = follower.request;
    const found = view.topics.get(topic);
    if (!found) {
      // Only news if it was there before: a follow may begin before its topic.
      if (follower.topicId !== undefined)
        follower.wait(new AppError('STREAM_TOPIC_MISSING', { data: { topic } }));
      return;
    }
    if (follower.topicId !== undefined && follower.topicId !== found.topicId) {
      const data = { topic, was: follower.topicId, is: found.topicId };
      follower.fail(new AppError('STREAM_IDENTITY_CHANGED', { data }));
      return;
    }
    follower.topicId = found.topicId;
    const leader = found.leaders[partition];
    if (leader === undefined) {
      follower.fail(new AppError('STREAM_PARTITIONS_CHANGED', { data: { topic, partition } }));
      return;
    }
    if (leader < 0 || (follower.isBehind && this.#catchUps >= MAX_CATCH_UPS)) return;
    this.#unlocated.delete(follower);
    if (follower.isBehind) void this.#catchUp(follower, leader);
    else this.#goLive(follower, leader);
  }

  async #catchUp(follower: Follower, leader: number): Promise<void> {
    this.#catchUps++;
    try {
      while (!follower.stopped && !this.#closed) {
        const asked = follower.position;
        const fetched = await this.#reader.fetch(leader, asked);
        if (fetched && fetched.errorCode !== 0) {
          this.#partitionError(follower, fetched.errorCode);
          return;
        }
        if (!fetched || follower.deliver(asked.offset, fetched)) {
          follower.isBehind = false;
          this.#goLive(follower, leader);
          return;
        }
        await follower.working;
      }
    } catch (error) {
      this.#nodeError([follower], error);
    } finally {
      this.#catchUps--;
      if (this.#unlocated.size > 0) this.#bell.ring();
    }
  }

  #goLive(follower: Follower, leader: number): void {
    if (follower.stopped || this.#closed) return;
    let loop = this.#loops.get(leader);
    if (!loop) {
      loop = new LeaderLoop(this.#settings, leader, {
        createClient: () => this.#createClient(leader),
        onPartitionError: (failed, errorCode) => this.#partitionError(failed, errorCode),
        onNodeError: (followers, error) => this.#nodeError(followers, error),
      });
      this.#loops.set(leader, loop);
    }
    loop.add(follower);
  }

  #createClient(node: number): FetchClient {
    const addresses = this.#cluster.addressesOf(node);
    return new FetchClient(this.#settings, { node, addresses }, `follow-${node}`);
  }

  #partitionError(follower: Follower, errorCode: number): void {
    if (errorCode !== OFFSET_OUT_OF_RANGE) this.#relocateSoon([follower]);
    else if (follower.fromEarliest) void this.#beginAgain(follower);
    else {
      const { topic, partition } = follower.request;
      const data = { topic, partition, offset: follower.offset };
      follower.fail(new AppError('STREAM_OFFSET_OUT_OF_RANGE', { data }));
    }
  }

  /** The beginning of the log has moved before the first record of it was read. */
  async #beginAgain(follower: Follower): Promise<void> {
    try {
      follower.offset = (await this.#cluster.offset(follower.request, 'first')) ?? follower.offset;
      this.#relocate(follower);
    } catch (error) {
      this.#nodeError([follower], error);
    }
  }

  #nodeError(followers: readonly Follower[], error: unknown): void {
    if (this.#closed) return;
    this.#reachable(false, error);
    for (const follower of followers) follower.wait(toStreamError(error));
    this.#relocateSoon(followers);
  }

  #relocateSoon(followers: readonly Follower[]): void {
    const { clock, retryPauseMs } = this.#settings;
    clock.setTimeout(() => followers.forEach((follower) => this.#relocate(follower)), retryPauseMs / 2);
  }

  #reachable(isReachable: boolean, error?: unknown): void {
    if (this.#isReachable === isReachable) return;
    this.#isReachable = isReachable;
    const { logger } = this.#settings;
    if (isReachable) logger.info({ followers: this.#followers.size }, 'kafka answers again');
    else logger.warn({ reason: reasonOf(error) }, 'kafka does not answer; followers wait');
  }
}
