export interface BackoffOptions {
  /** Milliseconds before the second attempt, at the most. */
  minMs: number;
  /** Upper bound of a delay in milliseconds. */
  maxMs: number;
  random: () => number;
}

/** Exponential delays with jitter: half of each is fixed, half random, so that many clients do not come at once. */
export class Backoff {
  readonly #options: BackoffOptions;
  #attempts = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** Attempts since the last success. */
  get attempts(): number {
    return this.#attempts;
  }

  /** The delay before the next attempt, at least `atLeastMs` (what the server asked for). */
  nextMs(atLeastMs = 0): number {
    const { minMs, maxMs, random } = this.#options;
    const ceiling = Math.min(maxMs, minMs * 2 ** Math.min(this.#attempts++, 30));
    return Math.max(atLeastMs, ceiling / 2) + (random() * ceiling) / 2;
  }

  reset(): void {
    this.#attempts = 0;
  }
}
