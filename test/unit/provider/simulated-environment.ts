import type { ProviderEnvironment } from '../../../lib/provider/environment.ts';

/** mulberry32: small, seeded, good enough to choose schedules. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Task {
  at: number;
  order: number;
  run: () => void;
}

/** Virtual time: nothing happens until it is told to run, and then as fast as the machine can. */
export class SimulatedEnvironment implements ProviderEnvironment {
  readonly random: () => number;
  #now = 0;
  #order = 0;
  #tasks: Task[] = [];

  constructor(seed = 1) {
    this.random = seededRandom(seed);
  }

  now(): number {
    return this.#now;
  }

  wallTime(): number {
    return 1_700_000_000_000 + this.#now;
  }

  setTimeout(run: () => void, delayMs: number): () => void {
    const task: Task = { at: this.#now + Math.max(0, delayMs), order: this.#order++, run };
    this.#tasks.push(task);
    return () => {
      this.#tasks = this.#tasks.filter((other) => other !== task);
    };
  }

  /** What has not run yet and has not been cancelled. */
  get waiting(): number {
    return this.#tasks.length;
  }

  defer(run: () => void): void {
    this.setTimeout(run, 0);
  }

  randomId(): string {
    return Array.from({ length: 32 }, () => Math.floor(this.random() * 16).toString(16)).join('');
  }

  /** Runs everything that is due within the next `ms` milliseconds, in order of time. */
  advance(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      let next: Task | undefined;
      for (const task of this.#tasks) {
        if (task.at > until) continue;
        if (!next || task.at < next.at || (task.at === next.at && task.order < next.order)) next = task;
      }
      if (!next) break;
      this.#tasks = this.#tasks.filter((task) => task !== next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
    }
    this.#now = until;
  }
}
