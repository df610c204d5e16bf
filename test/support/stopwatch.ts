const STEP_MS = 20;

/**
 * Time since it was made in which this process ran: what it was late by does not count, as when the whole machine
 * stands still. So a promise of some seconds can be measured where everything else may stop for as long.
 */
export class Stopwatch {
  readonly #timer: NodeJS.Timeout;
  readonly #startedAt = performance.now();
  #lookedAt = this.#startedAt;
  #lostMs = 0;

  constructor() {
    this.#timer = setInterval(() => this.#look(), STEP_MS);
    this.#timer.unref();
  }

  get ms(): number {
    this.#look();
    return this.#lookedAt - this.#startedAt - this.#lostMs;
  }

  /** The time until now; it does not look any more. */
  stop(): number {
    clearInterval(this.#timer);
    return this.ms;
  }

  #look(): void {
    const now = performance.now();
    this.#lostMs += Math.max(0, now - this.#lookedAt - 2 * STEP_MS);
    this.#lookedAt = now;
  }
}
