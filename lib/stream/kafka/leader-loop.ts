import { reasonOf } from './errors.ts';
import { fetchKey, type FetchClient, type FetchedPartition, type FetchPosition } from './fetch-client.ts';
import type { Follower } from './follower.ts';
import type { KafkaSettings } from './settings.ts';
import { Bell, settlesWithin } from './timing.ts';

export interface LeaderLoopEvents {
  /** A new client of the node, after each failure of the one before. */
  createClient: () => FetchClient;
  /** The partition answered with an error: the follower has left the loop. */
  onPartitionError: (follower: Follower, errorCode: number) => void;
  /** The node does not answer: its followers have left the loop. */
  onNodeError: (followers: Follower[], error: unknown) => void;
}

/** How long the node holds a request while there is nothing new; joining the loop waits for it. */
const LONG_POLL_MS = 100;
/** How long one slow consumer may hold up the others of its node; after that it is left out until it is done. */
const SLOW_CONSUMER_MS = 20;

/** Reads the tails of all partitions that are followed at one node, by one long poll after the other. */
export class LeaderLoop {
  readonly node: number;
  readonly #settings: KafkaSettings;
  readonly #events: LeaderLoopEvents;
  readonly #followers = new Set<Follower>();
  readonly #bell: Bell;
  #client: FetchClient;
  #closed = false;
  readonly #running: Promise<void>;

  constructor(settings: KafkaSettings, node: number, events: LeaderLoopEvents) {
    this.node = node;
    this.#settings = settings;
    this.#events = events;
    this.#bell = new Bell(settings.clock);
    this.#client = this.#events.createClient();
    this.#running = this.#run();
  }

  add(follower: Follower): void {
    this.#followers.add(follower);
    this.#bell.ring();
  }

  remove(follower: Follower): void {
    this.#followers.delete(follower);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#followers.clear();
    this.#bell.ring();
    await this.#client.close();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      const ready = [...this.#followers].filter((follower) => !follower.working && !follower.stopped);
      if (ready.length === 0) {
        await this.#untilReady();
        continue;
      }
      await this.#poll(ready);
    }
  }

  async #untilReady(): Promise<void> {
    const working = [...this.#followers].flatMap((follower) => follower.working ?? []);
    if (working.length > 0) void Promise.race(working).then(() => this.#bell.ring());
    await this.#bell.wait();
  }

  async #poll(ready: readonly Follower[]): Promise<void> {
    const offsets = ready.map((follower) => follower.offset);
    try {
      const answers = await this.#client.fetch(lowestPositions(ready), LONG_POLL_MS);
      ready.forEach((follower, at) => {
        const answer = answers.get(fetchKey(follower.position));
        if (answer && this.#followers.has(follower)) this.#take(follower, offsets[at]!, answer);
      });
    } catch (error) {
      await this.#giveUp(error);
      return;
    }
    const working = ready.flatMap((follower) => follower.working ?? []);
    if (working.length > 0) await settlesWithin(this.#settings.clock, Promise.all(working), SLOW_CONSUMER_MS);
  }

  #take(follower: Follower, offset: number, answer: FetchedPartition): void {
    if (answer.errorCode === 0) {
      follower.deliver(offset, answer);
      return;
    }
    this.#followers.delete(follower);
    this.#events.onPartitionError(follower, answer.errorCode);
  }

  /** Everything is made again from the followers' own offsets. */
  async #giveUp(error: unknown): Promise<void> {
    if (this.#closed) return;
    this.#settings.logger.debug({ node: this.node, reason: reasonOf(error) }, 'kafka node does not answer');
    const failed = this.#client;
    this.#client = this.#events.createClient();
    const followers = [...this.#followers];
    this.#followers.clear();
    this.#events.onNodeError(followers, error);
    await failed.close();
  }
}

/** A request can name a partition once only: the follower that is furthest behind decides, the others skip. */
function lowestPositions(followers: readonly Follower[]): FetchPosition[] {
  const lowest = new Map<string, FetchPosition>();
  for (const { position } of followers) {
    const key = fetchKey(position);
    const other = lowest.get(key);
    if (!other || position.offset < other.offset) lowest.set(key, position);
  }
  return [...lowest.values()];
}
