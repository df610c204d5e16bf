import type { Clock, TimerHandle } from '../clock.ts';

export interface SweeperParts {
  clock: Clock;
  /** Pause between two sweeps, in ms. */
  everyMs: number;
  /** Never rejects. */
  sweep: () => Promise<void>;
}

/** Runs a piece of work again and again, one at a time, until it is stopped. */
export class Sweeper {
  readonly #parts: SweeperParts;
  #timer: TimerHandle | undefined;
  #sweeping: Promise<void> | undefined;
  #stopped = false;

  constructor(parts: SweeperParts) {
    this.#parts = parts;
  }

  start(): void {
    if (this.#stopped) return;
    const { clock, everyMs, sweep } = this.#parts;
    this.#timer = clock.setTimeout(() => {
      this.#sweeping = sweep().finally(() => this.start());
    }, everyMs);
  }

  /** Waits for the sweep that runs. Idempotent. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#sweeping;
  }
}
