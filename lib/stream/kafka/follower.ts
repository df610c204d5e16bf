import type { AppError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { FollowRequest, RecordBatch, StartedFollow } from '../port.ts';
import { reasonOf } from './errors.ts';
import type { FetchedPartition, FetchPosition } from './fetch-client.ts';
import { isAtEnd, toRecordBatch } from './record-batch.ts';

export interface FollowerParts {
  logger: Logger;
  onStop: (follower: Follower) => void;
}

/** One follow: where it stands, and handing on what was fetched. Who reads it where is the manager's business. */
export class Follower implements StartedFollow {
  readonly request: FollowRequest;
  readonly startOffset: number;
  /** The offset to be fetched next. */
  offset: number;
  /** Identity of the topic that is followed; undefined until it has been seen. */
  topicId: string | undefined;
  /** True when the beginning may still move with the log's own. */
  fromEarliest: boolean;
  /** True while there may be a backlog, which is not read in the loop that serves the others. */
  isBehind: boolean;
  readonly #parts: FollowerParts;
  #stopped = false;
  #inOnBatch = false;
  #working: Promise<void> | undefined;
  #toldOf: string | undefined;

  constructor(request: FollowRequest, startOffset: number, parts: FollowerParts) {
    this.request = request;
    this.startOffset = startOffset;
    this.topicId = request.topicId;
    this.offset = startOffset;
    this.fromEarliest = request.fromOffset === 0;
    this.isBehind = request.fromOffset !== 'end';
    this.#parts = parts;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** While its consumer works on a batch, nothing more is fetched for it. */
  get working(): Promise<void> | undefined {
    return this.#working;
  }

  get position(): FetchPosition {
    return { topicId: this.topicId ?? '', partition: this.request.partition, offset: this.offset };
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#parts.onStop(this);
    // Called out of its own onBatch it would wait for itself.
    if (!this.#inOnBatch) await this.#working;
  }

  /** Hands on what was fetched at `fetchOffset`. True when nothing is left behind it. */
  deliver(fetchOffset: number, fetched: FetchedPartition): boolean {
    this.#toldOf = undefined;
    // An answer to a question that this follow no longer asks.
    if (this.#stopped || this.#working || fetchOffset !== this.offset) return false;
    const batch = toRecordBatch(this.request, fetchOffset, fetched);
    this.fromEarliest = false;
    if (batch.nextOffset > fetchOffset) {
      this.offset = batch.nextOffset;
      this.#handOver(batch);
    }
    return isAtEnd(batch, fetched);
  }

  /** Ends the follow with an error that needs a decision. */
  fail(error: AppError): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#parts.onStop(this);
    this.#tell(error, false);
  }

  /** Tells, once for each outage, that the follow waits. */
  wait(error: AppError): void {
    if (this.#stopped || this.#toldOf === error.type) return;
    this.#toldOf = error.type;
    this.#tell(error, true);
  }

  #handOver(batch: RecordBatch): void {
    const done = (failure?: unknown) => {
      this.#working = undefined;
      if (failure !== undefined) this.#logRejection(failure);
    };
    let result: void | Promise<void>;
    try {
      this.#inOnBatch = true;
      result = this.request.onBatch(batch);
    } catch (error) {
      this.#logRejection(error);
      return;
    } finally {
      this.#inOnBatch = false;
    }
    if (result !== undefined) this.#working = Promise.resolve(result).then(() => done(), done);
  }

  /** The contract forbids it; going on is the least harm, since there is nobody to give the batch back to. */
  #logRejection(error: unknown): void {
    const { topic, partition } = this.request;
    this.#parts.logger.error({ topic, partition, reason: reasonOf(error) }, 'follower rejected a batch');
  }

  #tell(error: AppError, retrying: boolean): void {
    try {
      this.request.onError?.(error, { retrying });
    } catch (thrown) {
      const { topic, partition } = this.request;
      this.#parts.logger.error({ topic, partition, reason: reasonOf(thrown) }, 'onError of a follower threw');
    }
  }
}
