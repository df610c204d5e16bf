import type { Clock, TimerHandle } from '../../../lib/clock.ts';
import type { ProviderEnvironment } from '../../../lib/provider/environment.ts';
import type { Random } from './random.ts';
import type { Scheduler } from './scheduler.ts';

const WALL_TIME_MS = 1_700_000_000_000;

/** How long a request and its answer are on their way, at the most; most take far less. */
export interface Latency {
  shortMs: number;
  longMs: number;
}

/** One process: its time, its luck, its end. What it was about to do is gone with it, or waits while it is frozen. */
export class SimProcess {
  readonly name: string;
  readonly random: Random;
  readonly scheduler: Scheduler;
  isDead = false;
  frozenUntil = 0;
  readonly clock: Clock;
  readonly environment: ProviderEnvironment;

  constructor(name: string, scheduler: Scheduler, random: Random) {
    this.name = name;
    this.scheduler = scheduler;
    this.random = random;
    this.clock = clockOf(this);
    this.environment = environmentOf(this);
  }

  get isFrozen(): boolean {
    return this.frozenUntil > this.scheduler.now;
  }

  freeze(forMs: number): void {
    this.frozenUntil = Math.max(this.frozenUntil, this.scheduler.now + forMs);
  }

  /** In this process, if it is still there. */
  after(delayMs: number, label: string, run: () => void): void {
    this.scheduler.after(delayMs, label, run, this);
  }

  randomId(): string {
    let text = this.random.int(0, 0xfffffff).toString(16);
    while (text.length < 32) text += '0';
    return text;
  }
}

function clockOf(process: SimProcess): Clock {
  const { scheduler, random } = process;
  return {
    now: () => scheduler.now,
    wallTime: () => WALL_TIME_MS + scheduler.now,
    setTimeout(callback, delayMs): TimerHandle {
      const event = scheduler.after(delayMs, 'timer', callback, process);
      return { cancel: () => scheduler.cancel(event) };
    },
    // The rest of the tick takes its time as well.
    setImmediate: (callback) =>
      void scheduler.after(random.next() < 0.9 ? 0 : random.next() * 5, 'tick', callback, process),
  };
}

function environmentOf(process: SimProcess): ProviderEnvironment {
  const { scheduler, random } = process;
  return {
    now: () => scheduler.now,
    wallTime: () => WALL_TIME_MS + scheduler.now,
    setTimeout(callback, delayMs) {
      const event = scheduler.after(delayMs, 'timer', callback, process);
      return () => scheduler.cancel(event);
    },
    defer: (callback) => queueMicrotask(callback),
    random: () => random.next(),
    randomId: () => process.randomId(),
  };
}
