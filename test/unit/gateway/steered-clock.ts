import { systemClock, type Clock, type TimerHandle } from '../../../lib/clock.ts';
import { waitFor } from '../../support/wait.ts';
import { ManualClock } from './manual-clock.ts';

/** Time that stands still until the test moves it, for a gateway whose connections go on: turns of the loop are real. */
export class SteeredClock extends ManualClock {
  override setImmediate(callback: () => void): void {
    systemClock.setImmediate(callback);
  }

  /** It goes by itself until the returned function is called. */
  flow(): () => void {
    const timer = setInterval(() => this.advance(20), 5);
    return () => clearInterval(timer);
  }
}

/** Real time that the test puts forward; timers take as long as ever. */
export class ForwardClock implements Clock {
  #aheadMs = 0;

  now(): number {
    return systemClock.now() + this.#aheadMs;
  }

  wallTime(): number {
    return systemClock.wallTime() + this.#aheadMs;
  }

  setTimeout(callback: () => void, delayMs: number): TimerHandle {
    return systemClock.setTimeout(callback, delayMs);
  }

  setImmediate(callback: () => void): void {
    systemClock.setImmediate(callback);
  }

  forward(ms: number): void {
    this.#aheadMs += ms;
  }

  /**
   * Some fifteen times as fast until then: a time-out that is too long for a busy machine to reach by chance is soon
   * over, and what comes regularly still comes many times before.
   */
  async hastenUntil(condition: () => boolean, what: string): Promise<void> {
    await waitFor(
      () => {
        this.forward(150);
        return condition();
      },
      { intervalMs: 10, what },
    );
  }
}
