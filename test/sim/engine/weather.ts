import type { Scheduler } from './scheduler.ts';

/** What can go wrong for a while. `target` narrows it to one process or client; without one it is everywhere. */
export type Trouble =
  | 'append-lost'
  | 'append-fail'
  | 'append-late'
  | 'append-hang'
  | 'append-slow'
  | 'log-away'
  | 'follow-stall'
  | 'store-away'
  | 'store-lost'
  | 'store-slow'
  | 'calls-lost'
  | 'slow-client';

interface Window {
  trouble: Trouble;
  target: string | undefined;
  untilMs: number;
}

/** The troubles that last now. */
export class Weather {
  readonly #scheduler: Scheduler;
  #windows: Window[] = [];

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  begin(trouble: Trouble, target: string | undefined, forMs: number): void {
    this.#windows.push({ trouble, target, untilMs: this.#scheduler.now + forMs });
  }

  is(trouble: Trouble, target: string): boolean {
    return this.until(trouble, target) > this.#scheduler.now;
  }

  /** When it ends as far as it is known; 0 when there is none. */
  until(trouble: Trouble, target: string): number {
    let until = 0;
    for (const window of this.#windows) {
      if (window.trouble === trouble && (window.target === undefined || window.target === target))
        until = Math.max(until, window.untilMs);
    }
    return until > this.#scheduler.now ? until : 0;
  }

  clear(): void {
    this.#windows = [];
  }
}
