import type { Clock } from '../../clock.ts';
import { isAppError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { FollowRequest, StartedFollow } from '../port.ts';
import { Cursor } from './cursor.ts';
import { StopSignal, yieldTo } from './pause.ts';
import type { PartitionLog } from './partition-log.ts';

const RETRY_PAUSE_MS = 500;

export interface FollowerParts {
  clock: Clock;
  logger: Logger;
  /** Called once, when the follow has ended. */
  onEnd: () => void;
}

/** One broadcast reader. `attach` gives it its partition; before that it waits for the topic. */
export class Follower implements StartedFollow {
  readonly topic: string;
  readonly partition: number;
  readonly #request: FollowRequest;
  readonly #parts: FollowerParts;
  readonly #stop = new StopSignal();
  #startOffset = 0;
  #running: Promise<void> = Promise.resolve();
  #inOnBatch = false;

  constructor(request: FollowRequest, parts: FollowerParts) {
    this.topic = request.topic;
    this.partition = request.partition;
    this.#request = request;
    this.#parts = parts;
  }

  get startOffset(): number {
    return this.#startOffset;
  }

  /** A topic that is made later is read from its beginning, also by a follow of its end. */
  attach(log: PartitionLog, madeLater: boolean): void {
    if (this.#stop.stopped) return;
    const { fromOffset } = this.#request;
    if (fromOffset === 'end') this.#startOffset = madeLater ? log.startOffset : log.nextOffset;
    else this.#startOffset = fromOffset === 0 ? log.startOffset : fromOffset;
    const cursor = new Cursor(log, this.#startOffset);
    this.#stop.onStop(() => cursor.close());
    this.#running = this.#run(cursor);
  }

  /** Ends the follow before it has begun. */
  fail(error: Error): void {
    this.#stop.stop();
    this.#parts.onEnd();
    this.#request.onError?.(error, { retrying: false });
  }

  async stop(): Promise<void> {
    this.#stop.stop();
    this.#parts.onEnd();
    // Called out of its own onBatch it would wait for itself.
    if (!this.#inOnBatch) await this.#running;
  }

  async #run(cursor: Cursor): Promise<void> {
    while (!this.#stop.stopped) {
      const taken = await this.#take(cursor);
      if (taken === 'ended') break;
      if (this.#stop.stopped) break;
      if (!taken) {
        await cursor.changed();
        continue;
      }
      await this.#deliver(taken.batch);
      if (taken.fromFile) await yieldTo(this.#parts.clock);
    }
    cursor.close();
    this.#parts.onEnd();
  }

  async #take(cursor: Cursor): Promise<Awaited<ReturnType<Cursor['take']>> | 'ended'> {
    try {
      return await cursor.take();
    } catch (error) {
      const retrying = !isAppError(error, 'STREAM_OFFSET_OUT_OF_RANGE');
      this.#request.onError?.(error as Error, { retrying });
      if (!retrying) return 'ended';
      await this.#stop.pause(this.#parts.clock, RETRY_PAUSE_MS);
      return undefined;
    }
  }

  async #deliver(batch: Parameters<FollowRequest['onBatch']>[0]): Promise<void> {
    try {
      this.#inOnBatch = true;
      const done = this.#request.onBatch(batch);
      this.#inOnBatch = false;
      await done;
    } catch (error) {
      // The contract forbids it; going on is the least harm, since a follow has nobody to give the batch back to.
      const { topic, partition } = this;
      this.#parts.logger.error({ topic, partition, error: String(error) }, 'follower rejected a batch');
    } finally {
      this.#inOnBatch = false;
    }
  }
}
