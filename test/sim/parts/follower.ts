import { AppError } from '../../../lib/errors.ts';
import type { FollowRequest, StartedFollow } from '../../../lib/stream/port.ts';
import type { Counters } from '../engine/counters.ts';
import type { SimProcess } from '../engine/process.ts';
import type { Weather } from '../engine/weather.ts';
import type { LogPartition } from './log.ts';

export interface FollowerParts {
  process: SimProcess;
  partition: LogPartition;
  weather: Weather;
  counters: Counters;
  request: FollowRequest;
}

const MAX_RECORDS = 4;

/** One broadcast follow: what is in the log comes in order, in pieces, some time later. */
export class SimFollower implements StartedFollow {
  readonly startOffset: number;
  readonly #parts: FollowerParts;
  #next: number;
  #isStopped = false;
  #isComing = false;
  readonly #wake = () => this.#deliverSoon();

  constructor(parts: FollowerParts, startOffset: number) {
    this.#parts = parts;
    this.startOffset = startOffset;
    this.#next = startOffset;
    parts.partition.onAppend.add(this.#wake);
    parts.partition.followers.add(this);
    this.#deliverSoon();
  }

  get process(): SimProcess {
    return this.#parts.process;
  }

  /** Ends as the log ends a follow that it cannot go on with; told in its process. */
  end(): void {
    const { process } = this.#parts;
    process.after(0, 'follow ends', () => {
      if (!this.#isStopped) this.#end();
    });
  }

  stop(): Promise<void> {
    this.#isStopped = true;
    this.#parts.partition.onAppend.delete(this.#wake);
    this.#parts.partition.followers.delete(this);
    return Promise.resolve();
  }

  #deliverSoon(): void {
    const { process, partition, weather } = this.#parts;
    if (process.isDead) partition.onAppend.delete(this.#wake);
    if (this.#isStopped || this.#isComing || this.#next >= partition.end) return;
    this.#isComing = true;
    const now = process.clock.now();
    const stalled = Math.max(
      weather.until('follow-stall', process.name),
      weather.until('log-away', process.name),
    );
    const delayMs = (stalled > 0 ? stalled - now : 0) + process.random.delay(3, 80);
    process.after(delayMs, `follow ${partition.partition}`, () => this.#deliver());
  }

  #deliver(): void {
    const { partition, process, request, counters } = this.#parts;
    this.#isComing = false;
    if (this.#isStopped) return;
    if (this.#next < partition.start) return this.#end();
    const first = partition.indexOf(this.#next);
    const records = partition.records.slice(first, first + process.random.int(1, MAX_RECORDS));
    const isLast = first + records.length >= partition.records.length;
    const fetchOffset = this.#next;
    this.#next = isLast ? partition.end : records.at(-1)!.offset + 1;
    if (records.length === 0) counters.count('empty-batch');
    const { topic, partition: number } = partition;
    const done = request.onBatch({ topic, partition: number, fetchOffset, nextOffset: this.#next, records });
    if (done) void done.then(() => this.#deliverSoon());
    else this.#deliverSoon();
  }

  /** The log was trimmed under it, or so it says. */
  #end(): void {
    const { partition, request, counters } = this.#parts;
    counters.count('follow-out-of-range');
    void this.stop();
    const { topic, partition: number } = partition;
    request.onError?.(new AppError('STREAM_OFFSET_OUT_OF_RANGE', { data: { topic, partition: number } }), {
      retrying: false,
    });
  }
}
