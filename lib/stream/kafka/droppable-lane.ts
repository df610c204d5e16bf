import type { Clock } from '../../clock.ts';
import { AppError } from '../../errors.ts';
import type { StreamRecord } from '../port.ts';
import { toStreamError } from './errors.ts';

export interface PartitionRecord {
  partition: number;
  record: StreamRecord;
}

export interface DroppableLaneParts {
  clock: Clock;
  /** After this what waits is rejected, and what is in flight with it; it may still arrive. */
  timeoutMs: number;
  /** Before the first send and after each failed one: resolves when the topic is there. */
  prepare: () => Promise<void>;
  /** Resolves with the offset of the first record of each partition that has taken what it was sent. */
  send: (records: readonly PartitionRecord[]) => Promise<ReadonlyMap<number, number>>;
  onTimeout: () => void;
  /** Bytes that no longer wait. */
  onReleased: (bytes: number) => void;
}

/** What is appended to one partition together. */
export interface DroppableCall {
  partition: number;
  records: readonly StreamRecord[];
  bytes: number;
}

interface WaitingCall extends DroppableCall {
  resolve: (offsets: number[]) => void;
  reject: (error: AppError) => void;
  settled: boolean;
}

/** Those of a partition stay below what a batch may have; kafkajs' time grows with the square of their number. */
const MAX_SEND_RECORDS = 500;
const MAX_SEND_BYTES = 1024 * 1024;

/**
 * Appends that may be lost, to several partitions of a topic: one send in flight, everything that arrives meanwhile in
 * the next one. A broker answers the sends of a connection one after the other: one for each partition would have the
 * last of them wait for all the others.
 */
export class DroppableLane {
  readonly #parts: DroppableLaneParts;
  #waiting: WaitingCall[] = [];
  #inFlight: WaitingCall[] = [];
  #isRunning = false;
  #isPrepared = false;

  constructor(parts: DroppableLaneParts) {
    this.#parts = parts;
  }

  get isIdle(): boolean {
    return !this.#isRunning;
  }

  append(call: DroppableCall): Promise<number[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...call, resolve, reject, settled: false });
      if (this.#isRunning) return;
      this.#isRunning = true;
      // Not at once: the other appends of this piece of work go into the same send.
      queueMicrotask(() => void this.#run());
    });
  }

  /** Rejects everything; what is in flight may still arrive in the log. */
  rejectAll(error: AppError): void {
    for (const call of [...this.#inFlight, ...this.#waiting.splice(0)]) this.#settle(call, error);
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const timer = this.#watch();
      await (this.#isPrepared ? this.#sendNext() : this.#prepare());
      timer.cancel();
    }
    this.#isRunning = false;
  }

  async #prepare(): Promise<void> {
    try {
      await this.#parts.prepare();
      this.#isPrepared = true;
    } catch (error) {
      this.rejectAll(toStreamError(error, 'STREAM_APPEND_FAILED'));
    }
  }

  async #sendNext(): Promise<void> {
    const calls = this.#take();
    this.#inFlight = calls;
    const records = calls.flatMap(({ partition, records: own }) =>
      own.map((record) => ({ partition, record })),
    );
    try {
      const next = new Map(await this.#parts.send(records));
      for (const call of calls) this.#acknowledge(call, next);
    } catch (error) {
      this.#isPrepared = false;
      for (const call of calls) this.#settle(call, toStreamError(error, 'STREAM_APPEND_FAILED'));
    }
    this.#inFlight = [];
  }

  #take(): WaitingCall[] {
    let [count, bytes, calls] = [0, 0, 0];
    for (const { records, bytes: more } of this.#waiting) {
      if (calls > 0 && (count + records.length > MAX_SEND_RECORDS || bytes + more > MAX_SEND_BYTES)) break;
      count += records.length;
      bytes += more;
      calls++;
    }
    return this.#waiting.splice(0, calls);
  }

  #acknowledge(call: WaitingCall, next: Map<number, number>): void {
    const offset = next.get(call.partition);
    if (offset === undefined) return this.#settle(call, new AppError('STREAM_APPEND_FAILED'));
    next.set(call.partition, offset + call.records.length);
    if (call.settled) return;
    call.settled = true;
    this.#parts.onReleased(call.bytes);
    call.resolve(call.records.map((_, at) => offset + at));
  }

  #settle(call: WaitingCall, error: AppError): void {
    if (call.settled) return;
    call.settled = true;
    this.#parts.onReleased(call.bytes);
    call.reject(error);
  }

  /** Until the step is over, also when it takes several times as long. */
  #watch(): { cancel: () => void } {
    const { clock, timeoutMs, onTimeout } = this.#parts;
    const late = () => {
      const message = 'The append took too long; it may still arrive.';
      this.rejectAll(new AppError('STREAM_APPEND_FAILED', { message }));
      onTimeout();
      timer = clock.setTimeout(late, timeoutMs);
    };
    let timer = clock.setTimeout(late, timeoutMs);
    return { cancel: () => timer.cancel() };
  }
}
