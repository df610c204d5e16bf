import type { Clock, TimerHandle } from '../../clock.ts';
import { AppError } from '../../errors.ts';
import type { StreamRecord, TopicPartition } from '../port.ts';
import { sizeOf } from './append-bounds.ts';
import { toStreamError } from './errors.ts';

export interface LaneEvents {
  /** Sends and resolves with the offset of the first record. */
  send: (target: TopicPartition, records: readonly StreamRecord[]) => Promise<number>;
  /**
   * Before the first send and after each failed one: resolves when the end of the partition could be read.
   * STREAM_TOPIC_MISSING when there is no such partition.
   */
  prepare: (target: TopicPartition) => Promise<void>;
  /** Something waited longer than it may; for finding out why. */
  onTimeout: (target: TopicPartition) => void;
  /** Bytes that no longer wait. */
  onReleased: (bytes: number) => void;
}

export interface LaneParts {
  clock: Clock;
  timeoutMs: number;
  events: LaneEvents;
}

/** One call of `append`: all of it resolves together. */
interface Call {
  records: readonly StreamRecord[];
  bytes: number;
  offsets: number[];
  sentRecords: number;
  since: number;
  settled: boolean;
  resolve: (offsets: number[]) => void;
  reject: (error: Error) => void;
}

/** A piece of a call in one send. */
interface Piece {
  call: Call;
  records: readonly StreamRecord[];
}

/** kafkajs copies its list for each record of a send, so that the time grows with the square of their number. */
const MAX_SEND_RECORDS = 500;
const MAX_SEND_BYTES = 1024 * 1024;

/**
 * The appends of one partition: one send in flight, everything that arrives meanwhile in the next one. When a call
 * is rejected as not known durable, so is all that waits behind it: nothing called earlier than the rejection is
 * sent after it.
 */
export class AppendLane {
  readonly #target: TopicPartition;
  readonly #parts: LaneParts;
  #waiting: Call[] = [];
  #inFlight: Piece[] = [];
  #isRunning = false;
  #isPrepared = false;
  #answeredAt = -Infinity;
  #timer: TimerHandle | undefined;

  constructor(target: TopicPartition, parts: LaneParts) {
    this.#target = target;
    this.#parts = parts;
  }

  get isIdle(): boolean {
    return !this.#isRunning;
  }

  append(records: readonly StreamRecord[], bytes: number): Promise<number[]> {
    return new Promise((resolve, reject) => {
      const since = this.#parts.clock.now();
      const call = { records, bytes, offsets: [], sentRecords: 0, since, settled: false, resolve, reject };
      this.#waiting.push(call);
      this.#watch();
      if (this.#isRunning) return;
      this.#isRunning = true;
      // Not at once: the other appends of this piece of work go into the same send.
      queueMicrotask(() => void this.#run());
    });
  }

  /** Rejects everything; what is in flight may still arrive in the log. */
  rejectAll(error: AppError): void {
    const calls = [...this.#inFlight.map(({ call }) => call), ...this.#waiting];
    this.#waiting = [];
    for (const call of calls) this.#settle(call, error);
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      if (this.#isPrepared) await this.#sendNext();
      else await this.#prepare();
    }
    this.#isRunning = false;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  async #sendNext(): Promise<void> {
    const pieces = this.#take();
    this.#inFlight = pieces;
    const records = pieces.flatMap((piece) => piece.records);
    try {
      const firstOffset = await this.#parts.events.send(this.#target, records);
      this.#inFlight = [];
      this.#acknowledge(pieces, firstOffset);
    } catch (error) {
      this.#inFlight = [];
      this.#fail(pieces, error);
    }
  }

  async #prepare(): Promise<void> {
    try {
      await this.#parts.events.prepare(this.#target);
      this.#isPrepared = true;
    } catch (error) {
      this.rejectAll(toStreamError(error, 'STREAM_APPEND_FAILED'));
    }
  }

  #take(): Piece[] {
    const pieces: Piece[] = [];
    let bytes = 0;
    let count = 0;
    for (let call = this.#waiting[0]; call; call = this.#waiting[0]) {
      const from = call.sentRecords;
      let to = from;
      while (to < call.records.length && count < MAX_SEND_RECORDS) {
        const size = sizeOf(call.records[to]!);
        if (count > 0 && bytes + size > MAX_SEND_BYTES) break;
        bytes += size;
        count++;
        to++;
      }
      if (to === from) break;
      call.sentRecords = to;
      pieces.push({ call, records: call.records.slice(from, to) });
      if (to < call.records.length) break;
      this.#waiting.shift();
    }
    return pieces;
  }

  #acknowledge(pieces: readonly Piece[], firstOffset: number): void {
    this.#answeredAt = this.#parts.clock.now();
    let offset = firstOffset;
    for (const { call, records } of pieces) {
      for (let i = 0; i < records.length; i++) call.offsets.push(offset++);
      if (call.offsets.length === call.records.length) this.#settle(call);
    }
  }

  #fail(pieces: readonly Piece[], cause: unknown): void {
    const error = toStreamError(cause, 'STREAM_APPEND_FAILED');
    const calls = new Set(pieces.map(({ call }) => call));
    for (const call of calls) this.#settle(call, error);
    this.#waiting = this.#waiting.filter((call) => !calls.has(call));
    this.#isPrepared = false;
    // A record that is refused for good does not hold up the others.
    if (error.retryable) this.rejectAll(error);
  }

  #settle(call: Call, error?: AppError): void {
    if (call.settled) return;
    call.settled = true;
    this.#parts.events.onReleased(call.bytes);
    if (error) call.reject(error);
    else call.resolve(call.offsets);
  }

  /**
   * One timer for the oldest call. The time counts from the last answer of the log: in a lane that moves, a call that
   * waits long is behind many others, and the bound of bytes holds.
   */
  #watch(): void {
    if (this.#timer) return;
    const { clock, timeoutMs, events } = this.#parts;
    const oldest = this.#oldest();
    if (!oldest) return;
    this.#timer = clock.setTimeout(
      () => {
        this.#timer = undefined;
        const late = this.#oldest();
        if (late && clock.now() - this.#waitsSince(late) >= timeoutMs) {
          this.rejectAll(
            new AppError('STREAM_APPEND_FAILED', {
              message: 'The append took too long; it may still arrive.',
            }),
          );
          events.onTimeout(this.#target);
        } else this.#watch();
      },
      Math.max(1, this.#waitsSince(oldest) + timeoutMs - clock.now()),
    );
  }

  #waitsSince(call: Call): number {
    return Math.max(call.since, this.#answeredAt);
  }

  #oldest(): Call | undefined {
    return this.#inFlight.find(({ call }) => !call.settled)?.call ?? this.#waiting[0];
  }
}
