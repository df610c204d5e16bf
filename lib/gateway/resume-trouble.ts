import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';

/**
 * Resumes that had to be postponed. A source that is away disturbs every subscription every second: the operator is
 * told once when the first is postponed, and once when none is any more.
 */
export class ResumeTrouble {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #postponed = new Set<object>();
  #sinceMs = 0;
  #failures = 0;

  constructor({ clock, logger }: { clock: Clock; logger: Logger }) {
    this.#clock = clock;
    this.#logger = logger;
  }

  postponed(subscription: object, error: unknown): void {
    this.#failures++;
    if (this.#postponed.size === 0) {
      this.#sinceMs = this.#clock.now();
      this.#logger.warn({ err: error }, 'resume postponed');
    }
    this.#postponed.add(subscription);
  }

  /** The subscription has been served, or has gone. */
  ended(subscription: object): void {
    if (!this.#postponed.delete(subscription) || this.#postponed.size > 0) return;
    const lastedMs = Math.round(this.#clock.now() - this.#sinceMs);
    this.#logger.warn({ lastedMs, failures: this.#failures }, 'no resume is postponed any more');
    this.#failures = 0;
  }
}
