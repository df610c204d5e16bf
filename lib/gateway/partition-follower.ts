import type { Clock, TimerHandle } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { DeliveredRecord, Stream, StartedFollow, TopicPartition } from '../stream/port.ts';

export interface FollowListener {
  onRecord(record: DeliveredRecord): void;
  /** The follow began anew at `heldAfter`: what came before may be missing. */
  onReset(heldAfter: number): void;
}

interface FollowerParts {
  stream: Stream;
  clock: Clock;
  logger: Logger;
}

const RESTART_DELAY_MS = 500;

/** One broadcast follow of a partition, from the end, for all documents of it that are hosted here. */
export class PartitionFollower {
  readonly target: TopicPartition;
  readonly #parts: FollowerParts;
  readonly #listener: FollowListener;
  #follow: StartedFollow | undefined;
  #nextOffset = 0;
  #isStopped = false;
  #retry: TimerHandle | undefined;

  constructor(target: TopicPartition, parts: FollowerParts, listener: FollowListener) {
    this.target = target;
    this.#parts = parts;
    this.#listener = listener;
  }

  /** Every record after this offset will be delivered (or has been). */
  get heldAfter(): number {
    return this.#nextOffset - 1;
  }

  /** False before the start and while a broken follow is being made again. */
  get isFollowing(): boolean {
    return this.#follow !== undefined;
  }

  /** A topic that is missing yet is followed from its first record. */
  async start(): Promise<void> {
    const { stream } = this.#parts;
    const exists = (await stream.identity(this.target.topic)) !== undefined;
    let own = undefined as StartedFollow | undefined;
    let hasDelivered = false;
    const follow = await stream.follow({
      ...this.target,
      fromOffset: exists ? 'end' : 0,
      onBatch: (batch) => {
        if (this.#isStopped || (own && this.#follow !== own)) return;
        hasDelivered = true;
        for (const record of batch.records) this.#listener.onRecord(record);
        this.#nextOffset = batch.nextOffset;
      },
      onError: (error, { retrying }) => this.#failed(error, retrying),
    });
    own = follow;
    this.#follow = follow;
    if (!hasDelivered) this.#nextOffset = follow.startOffset;
    if (this.#isStopped) await follow.stop();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#retry?.cancel();
    await this.#follow?.stop();
  }

  #failed(error: Error, retrying: boolean): void {
    if (this.#isStopped) return;
    const { topic, partition } = this.target;
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
      await this.start();
    } catch (error) {
      this.#parts.logger.warn({ err: error, topic: this.target.topic }, 'follow not restarted yet');
      this.#restartLater();
      return;
    }
    this.#listener.onReset(this.heldAfter);
  }
}
