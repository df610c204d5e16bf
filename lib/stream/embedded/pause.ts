import type { Clock } from '../../clock.ts';

/** Something that ends once, and whoever pauses is woken by it. */
export class StopSignal {
  readonly #listeners = new Set<() => void>();
  #stopped = false;

  get stopped(): boolean {
    return this.#stopped;
  }

  stop(): void {
    this.#stopped = true;
    for (const listener of this.#listeners) listener();
    this.#listeners.clear();
  }

  /** Calls back once, at once when stopped already; returns how to be forgotten. */
  onStop(listener: () => void): () => void {
    if (this.#stopped) listener();
    else this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Resolves after the delay, or at once when stopped. */
  pause(clock: Clock, delayMs: number): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    return new Promise((resolve) => {
      const end = () => {
        timer.cancel();
        this.#listeners.delete(end);
        resolve();
      };
      const timer = clock.setTimeout(end, delayMs);
      this.#listeners.add(end);
    });
  }
}

/** Lets I/O run between two pieces of synchronous work. */
export function yieldTo(clock: Clock): Promise<void> {
  return new Promise((resolve) => clock.setImmediate(resolve));
}
