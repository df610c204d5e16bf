/** One of so many places may be taken by what belongs together, so that it never takes all of them. */
const SHARE_OF_ONE = 4;

interface Waiter {
  key: unknown;
  start: () => void;
}

/** Bounded concurrency in the order of the calls; of one key at most a quarter runs at a time, and others overtake the rest. */
export class Slots {
  readonly #maxRunning: number;
  readonly #maxOfOne: number;
  readonly #maxWaiting: number;
  readonly #running = new Map<unknown, number>();
  #runs = 0;
  #waiting: Waiter[] = [];

  constructor(maxRunning: number, maxWaiting: number) {
    this.#maxRunning = maxRunning;
    this.#maxOfOne = Math.max(1, Math.floor(maxRunning / SHARE_OF_ONE));
    this.#maxWaiting = maxWaiting;
  }

  /** Undefined when too many wait already; else what frees the slot again (once). */
  async take(key?: unknown): Promise<(() => void) | undefined> {
    if (this.#hasRoomFor(key)) this.#begin(key);
    else {
      if (this.#waiting.length >= this.#maxWaiting) return undefined;
      // The one that frees its slot begins it.
      await new Promise<void>((start) => this.#waiting.push({ key, start }));
    }
    let isFree = false;
    return () => {
      if (isFree) return;
      isFree = true;
      this.#end(key);
    };
  }

  #hasRoomFor(key: unknown): boolean {
    return this.#runs < this.#maxRunning && (this.#running.get(key) ?? 0) < this.#maxOfOne;
  }

  #begin(key: unknown): void {
    this.#runs++;
    this.#running.set(key, (this.#running.get(key) ?? 0) + 1);
  }

  #end(key: unknown): void {
    this.#runs--;
    const left = this.#running.get(key)! - 1;
    if (left > 0) this.#running.set(key, left);
    else this.#running.delete(key);
    const index = this.#waiting.findIndex((waiter) => this.#hasRoomFor(waiter.key));
    const [next] = index < 0 ? [] : this.#waiting.splice(index, 1);
    if (!next) return;
    this.#begin(next.key);
    next.start();
  }
}
