/** A seeded source of chance (mulberry32); `fork` gives an independent one that depends on the name alone. */
export class Random {
  readonly #seed: number;
  #state: number;

  constructor(seed: number) {
    this.#seed = seed >>> 0;
    this.#state = this.#seed;
  }

  /** So that dropping one action of a schedule changes nothing of the luck of the other parts. */
  fork(name: string): Random {
    let hash = this.#seed ^ 0x9e3779b9;
    for (let at = 0; at < name.length; at++)
      hash = Math.imul(hash ^ name.charCodeAt(at), 0x85ebca6b) ^ (hash >>> 13);
    return new Random(Math.imul(hash ^ (hash >>> 16), 0xc2b2ae35) ^ (hash >>> 15));
  }

  /** From 0 up to 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** An integer, both ends included. */
  int(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1));
  }

  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.next() * items.length)]!;
  }

  /** Mostly short, sometimes long: what makes things meet. */
  delay(shortMs: number, longMs: number): number {
    return this.next() < 0.85 ? this.next() * shortMs : this.next() * longMs;
  }
}
