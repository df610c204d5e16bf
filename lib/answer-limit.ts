import type { Clock, TimerHandle } from './clock.ts';

const SLICES = 10;

export interface AnswerLimitParts {
  clock: Pick<Clock, 'setTimeout'>;
  /** From one answer to the next while something is asked. */
  limitMs: number;
  onOver: () => void;
}

/**
 * Tells once that a thread has not answered for long. Counted in slices, so that a pause of the whole process, after
 * which the limit would be over before the thread has its turn, is one of them.
 */
export class AnswerLimit {
  readonly #parts: AnswerLimitParts;
  #timer: TimerHandle | undefined;

  constructor(parts: AnswerLimitParts) {
    this.#parts = parts;
  }

  /** Begins anew: with the first question, and with each answer while others wait behind it. */
  begin(slices = SLICES): void {
    this.end();
    this.#timer = this.#parts.clock.setTimeout(() => {
      this.#timer = undefined;
      if (slices > 1) this.begin(slices - 1);
      else this.#parts.onOver();
    }, this.#parts.limitMs / SLICES);
  }

  /** Nothing is asked any more. */
  end(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
