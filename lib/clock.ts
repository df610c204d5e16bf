/** Time, timers and randomness come from outside, so that a simulation can own them. */
export interface Clock {
  /** Monotonic milliseconds: for durations and deadlines. */
  now(): number;
  /** Milliseconds since 1970: for display and records only. */
  wallTime(): number;
  setTimeout(callback: () => void, delayMs: number): TimerHandle;
  /** Runs once after the I/O of this tick (setImmediate). */
  setImmediate(callback: () => void): void;
}

export interface TimerHandle {
  cancel(): void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  setTimeout(callback, delayMs) {
    const timer = setTimeout(callback, delayMs);
    timer.unref?.();
    return { cancel: () => clearTimeout(timer) };
  },
  setImmediate: (callback) => void setImmediate(callback),
};

/** Resolves after the delay. */
export function pause(clock: Pick<Clock, 'setTimeout'>, delayMs: number): Promise<void> {
  return new Promise((resolve) => void clock.setTimeout(resolve, delayMs));
}
