/** Bounded concurrency in the order of the calls. */
export class Slots {
  readonly #maxRunning: number;
  readonly #maxWaiting: number;
  #running = 0;
  #waiting: (() => void)[] = [];

  constructor(maxRunning: number, maxWaiting: number) {
    this.#maxRunning = maxRunning;
    this.#maxWaiting = maxWaiting;
  }

  /** Undefined when too many wait already; else what frees the slot again (once). */
  async take(): Promise<(() => void) | undefined> {
    if (this.#running < this.#maxRunning) this.#running++;
    else {
      if (this.#waiting.length >= this.#maxWaiting) return undefined;
      // The one that frees its slot hands it over without counting down.
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    let isFree = false;
    return () => {
      if (isFree) return;
      isFree = true;
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running--;
    };
  }
}
