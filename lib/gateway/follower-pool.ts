import type { Clock, TimerHandle } from '../clock.ts';
import { AppError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Stream, TopicPartition } from '../stream/port.ts';
import type { GatewayMetrics } from './gateway-metrics.ts';
import { PartitionFollower, type FollowListener } from './partition-follower.ts';

interface PooledFollower {
  follower: PartitionFollower;
  started: Promise<void>;
  isStarted: boolean;
  users: number;
  linger: TimerHandle | undefined;
}

export interface FollowerPoolParts {
  stream: Stream;
  clock: Clock;
  logger: Logger;
  metrics: GatewayMetrics;
  /** How long a follow goes on without users. */
  lingerMs: number;
  listenerOf: (target: TopicPartition) => FollowListener;
}

/** One follow for each partition in use, started with the first user, stopped some time after the last. */
export class FollowerPool {
  readonly #parts: FollowerPoolParts;
  readonly #pool = new Map<string, PooledFollower>();
  #isStopped = false;

  constructor(parts: FollowerPoolParts) {
    this.#parts = parts;
  }

  /** Resolves once the follow has begun; each call needs a `release`. */
  async acquire(target: TopicPartition): Promise<PartitionFollower> {
    if (this.#isStopped) throw new AppError('STREAM_CLOSED', { message: 'The gateway is stopping.' });
    const key = keyOf(target);
    const pooled = this.#pool.get(key) ?? this.#open(target);
    pooled.users++;
    pooled.linger?.cancel();
    try {
      await pooled.started;
      pooled.isStarted = true;
    } catch (error) {
      if (this.#pool.get(key) === pooled) this.#pool.delete(key);
      throw error;
    }
    return pooled.follower;
  }

  release(target: TopicPartition): void {
    const key = keyOf(target);
    const pooled = this.#pool.get(key);
    if (!pooled) return;
    pooled.users--;
    if (pooled.users > 0) return;
    pooled.linger?.cancel();
    pooled.linger = this.#parts.clock.setTimeout(() => {
      if (pooled.users > 0 || this.#pool.get(key) !== pooled) return;
      this.#pool.delete(key);
      this.#stop(pooled);
    }, this.#parts.lingerMs);
  }

  /** False while a follow in use is being made again. */
  get isFollowing(): boolean {
    for (const { follower, isStarted } of this.#pool.values())
      if (isStarted && !follower.isFollowing) return false;
    return true;
  }

  targets(): TopicPartition[] {
    return [...this.#pool.values()].map(({ follower }) => follower.target);
  }

  /** Resolves when nothing is delivered any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    const all = [...this.#pool.values()];
    this.#pool.clear();
    for (const { linger } of all) linger?.cancel();
    await Promise.all(all.map(({ follower }) => follower.stop()));
  }

  #open(target: TopicPartition): PooledFollower {
    const follower = new PartitionFollower(target, this.#parts, this.#parts.listenerOf(target));
    const pooled: PooledFollower = {
      follower,
      started: follower.start(),
      isStarted: false,
      users: 0,
      linger: undefined,
    };
    this.#pool.set(keyOf(target), pooled);
    return pooled;
  }

  #stop({ follower }: PooledFollower): void {
    follower.stop().catch((error: unknown) => {
      this.#parts.logger.warn({ err: error, topic: follower.target.topic }, 'follow not stopped cleanly');
    });
  }
}

export function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}
