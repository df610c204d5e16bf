import type { Clock } from '../clock.ts';

export interface TickParts {
  clock: Pick<Clock, 'now' | 'setTimeout' | 'setImmediate'>;
  tickMs: number;
  work: () => void;
}

/** Work that is asked for again and again: done soon after a pause, then once in a tick. */
export class Tick {
  readonly #parts: TickParts;
  #doneAtMs = -Infinity;
  #isDue = false;

  constructor(parts: TickParts) {
    this.#parts = parts;
  }

  ask(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    const { clock, tickMs } = this.#parts;
    const waitMs = this.#doneAtMs + tickMs - clock.now();
    // Not inside the call: what belongs together comes together.
    if (waitMs > 0) clock.setTimeout(() => this.finish(), waitMs);
    else clock.setImmediate(() => this.finish());
  }

  /** Does now what was asked for and has not been done. */
  finish(): void {
    if (!this.#isDue) return;
    this.#isDue = false;
    this.#doneAtMs = this.#parts.clock.now();
    this.#parts.work();
  }
}
