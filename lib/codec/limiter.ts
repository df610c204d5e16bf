import type { Clock, TimerHandle } from '../clock.ts';
import type { AppError } from '../errors.ts';

export interface LimiterOptions {
  /** How much runs at a time. */
  concurrency: number;
  /** How many may wait; `overloaded` above. */
  maxWaiting: number;
  /** How long one may wait; `overloaded` after it. Unlimited when left out. */
  maxWaitMs?: number;
  clock: Clock;
  /** The error of those that are turned away. */
  overloaded: () => AppError;
}

interface Waiter {
  start: () => void;
  refuse: (error: Error) => void;
  timer?: TimerHandle;
}

/** Runs a bounded number of tasks at a time, in order, and lets a bounded number wait. */
export class Limiter {
  readonly #options: LimiterOptions;
  readonly #waiting = new Set<Waiter>();
  #running = 0;

  constructor(options: LimiterOptions) {
    this.#options = options;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  async run<T>(task: () => Promise<T>): Promise<T> {
    // A slot is handed from one task to the next, so nobody overtakes those that wait.
    if (this.#running >= this.#options.concurrency) await this.#wait();
    else this.#running++;
    try {
      return await task();
    } finally {
      this.#release();
    }
  }

  /** Rejects everything that waits. */
  refuseAll(error: Error): void {
    for (const waiter of [...this.#waiting]) this.#refuse(waiter, error);
  }

  #wait(): Promise<void> {
    const { maxWaiting, maxWaitMs, clock, overloaded } = this.#options;
    if (this.#waiting.size >= maxWaiting) return Promise.reject(overloaded());
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { start: resolve, refuse: reject };
      if (maxWaitMs !== undefined)
        waiter.timer = clock.setTimeout(() => this.#refuse(waiter, overloaded()), maxWaitMs);
      this.#waiting.add(waiter);
    });
  }

  #refuse(waiter: Waiter, error: Error): void {
    if (!this.#waiting.delete(waiter)) return;
    waiter.timer?.cancel();
    waiter.refuse(error);
  }

  #release(): void {
    const next = this.#waiting.values().next().value;
    if (!next) {
      this.#running--;
      return;
    }
    this.#waiting.delete(next);
    next.timer?.cancel();
    next.start();
  }
}
