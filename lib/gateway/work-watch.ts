import type { Clock, TimerHandle } from '../clock.ts';

/** Counted in slices, so that a pause of the whole process, after which the limit would be over, is one of them. */
const SLICES = 10;
/** A thread has so many times the limit to begin: its start is the machine's affair, not that of its work. */
const START_LIMITS = 12;

/** The time limit of a piece of work in a thread, which begins when the work does. */
export class WorkWatch {
  /** Shared with the thread, which says 1 when it begins. */
  readonly begun = new Int32Array(new SharedArrayBuffer(4));
  readonly #limit = new AbortController();
  readonly #clock: Clock;
  readonly #sliceMs: number;
  #ran = 0;
  #waited = 0;
  #timer: TimerHandle | undefined;

  constructor(clock: Clock, limitMs: number) {
    this.#clock = clock;
    this.#sliceMs = limitMs / SLICES;
    this.#look();
  }

  get hasBegun(): boolean {
    return Atomics.load(this.begun, 0) === 1;
  }

  /** Aborted when the time is over. */
  get signal(): AbortSignal {
    return this.#limit.signal;
  }

  end(): void {
    this.#timer?.cancel();
  }

  #look(): void {
    this.#timer = this.#clock.setTimeout(() => {
      if (this.hasBegun) this.#ran++;
      else this.#waited++;
      if (this.#ran >= SLICES || this.#waited >= START_LIMITS * SLICES) this.#limit.abort();
      else this.#look();
    }, this.#sliceMs);
  }
}
