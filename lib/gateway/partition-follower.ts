import type { Clock, TimerHandle } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { DeliveredRecord, Stream, StartedFollow, TopicPartition } from '../stream/port.ts';
import { withDeadline } from './deadline.ts';
import { EndQuery } from './end-query.ts';
import type { GatewayMetrics } from './gateway-metrics.ts';

export interface FollowListener {
  onRecord(record: DeliveredRecord): void;
  /** The follow began anew at `heldAfter`: what came before may be missing. */
  onReset(heldAfter: number): void;
}

interface FollowerParts {
  stream: Stream;
  clock: Clock;
  logger: Logger;
  metrics: GatewayMetrics;
}

const RESTART_DELAY_MS = 500;

interface Waiting {
  /** The follow has to have passed everything before this offset. */
  nextOffset: number;
  resolve: () => void;
  isOver: boolean;
}

/** One broadcast follow of a partition, from the end, for all documents of it that are hosted here. */
export class PartitionFollower {
  readonly target: TopicPartition;
  readonly #parts: FollowerParts;
  readonly #listener: FollowListener;
  #follow: StartedFollow | undefined;
  #nextOffset = 0;
  #isStopped = false;
  #retry: TimerHandle | undefined;
  readonly #end: EndQuery;
  readonly #waiting = new Set<Waiting>();

  constructor(target: TopicPartition, parts: FollowerParts, listener: FollowListener) {
    this.target = target;
    this.#end = new EndQuery(() => parts.stream.endOffset(target));
    this.#parts = parts;
    this.#listener = listener;
  }

  /** Every record after this offset will be delivered (or has been). */
  get heldAfter(): number {
    return this.#nextOffset - 1;
  }

  /** Identity of the topic that is followed, as far as it is known. */
  get topicId(): string | undefined {
    return this.#follow?.topicId;
  }

  /** False before the start and while a broken follow is being made again. */
  get isFollowing(): boolean {
    return this.#follow !== undefined;
  }

  /** A topic that is missing yet is followed from its first record. */
  start(): Promise<void> {
    return this.#begin(() => undefined);
  }

  /** `onBegun` comes before everything that this follow delivers, be it delivered before the follow is known here. */
  async #begin(onBegun: () => void): Promise<void> {
    const { stream } = this.#parts;
    const found = await stream.identity(this.target.topic);
    let own = undefined as StartedFollow | undefined;
    let hasBegun = false;
    const beginAt = (offset: number) => {
      if (hasBegun) return;
      hasBegun = true;
      this.#moved(offset);
      onBegun();
    };
    const follow = await stream.follow({
      ...this.target,
      // Not of one that takes its place in between: from where it ends now is asked under its name.
      ...(found && { topicId: found.topicId }),
      fromOffset: found ? 'end' : 0,
      onBatch: (batch) => {
        if (this.#isStopped || (own && this.#follow !== own)) return;
        beginAt(batch.fetchOffset);
        for (const record of batch.records) this.#listener.onRecord(record);
        this.#moved(batch.nextOffset);
      },
      onError: (error, { retrying }) => this.#failed(error, retrying),
    });
    own = follow;
    this.#follow = follow;
    beginAt(follow.startOffset);
    if (this.#isStopped) await follow.stop();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#retry?.cancel();
    await this.#follow?.stop();
  }

  /**
   * Resolves once everything that was in the log at the call has been delivered, or after the limit: a log that
   * does not answer, or a follow that lags, must not hold up what can be said without them. Never rejects.
   */
  async catchUp(limitMs: number): Promise<void> {
    const { clock, logger } = this.#parts;
    const waiting: Waiting = { nextOffset: Infinity, resolve: () => undefined, isOver: false };
    try {
      await withDeadline(clock, limitMs, this.#reachEnd(waiting));
    } catch (error) {
      logger.debug({ err: error, ...this.target }, 'follow not caught up');
    }
    // Not only when it is reached: a follow that hangs would collect everybody who has asked.
    waiting.isOver = true;
    this.#waiting.delete(waiting);
  }

  async #reachEnd(waiting: Waiting): Promise<void> {
    waiting.nextOffset = await this.#end.ask();
    if (waiting.isOver || this.#nextOffset >= waiting.nextOffset) return;
    await new Promise<void>((resolve) => {
      waiting.resolve = resolve;
      this.#waiting.add(waiting);
    });
  }

  #moved(nextOffset: number): void {
    this.#nextOffset = nextOffset;
    for (const waiting of this.#waiting) if (waiting.nextOffset <= nextOffset) waiting.resolve();
  }

  #failed(error: Error, retrying: boolean): void {
    if (this.#isStopped) return;
    const { topic, partition } = this.target;
    this.#parts.metrics.followsDisturbed.inc();
    this.#parts.logger.warn({ err: error, topic, partition, retrying }, 'follow disturbed');
    if (retrying) return;
    this.#follow = undefined;
    this.#restartLater();
  }

  #restartLater(): void {
    this.#retry?.cancel();
    this.#retry = this.#parts.clock.setTimeout(() => void this.#restart(), RESTART_DELAY_MS);
  }

  async #restart(): Promise<void> {
    if (this.#isStopped) return;
    try {
      await this.#begin(() => this.#listener.onReset(this.heldAfter));
    } catch (error) {
      this.#parts.logger.warn({ err: error, topic: this.target.topic }, 'follow not restarted yet');
      this.#restartLater();
    }
  }
}
