/** What is left of a pause: so much may go at once before a document has to wait. */
const BURST_MS = 100;
/** Nobody waits longer for what is typed, however many there are in the room; the eye does not see it. */
export const MAX_PAUSE_MS = 25;

/**
 * How often a document may be sent to those who have it open. One in which hundreds of updates a second go to dozens
 * of people would take the process for itself: its updates are sent together, a few milliseconds later, as fewer
 * frames. Nothing is held back of documents below the rate.
 */
export class FanOutPace {
  readonly #msPerFrame: number;
  /** Until then what was sent is paid for, by the clock. */
  #paidUntil = -Infinity;

  /** `framesPerSecond` to all its connections together; 0 is no limit. */
  constructor(framesPerSecond: number) {
    this.#msPerFrame = framesPerSecond === 0 ? 0 : 1000 / framesPerSecond;
  }

  /** How long to wait before the next tick, in ms; at most `MAX_PAUSE_MS`. */
  waitMs(now: number): number {
    return Math.max(0, this.#paidUntil - now);
  }

  /** A tick goes out to so many connections. */
  sent(frames: number, now: number): void {
    const from = Math.max(this.#paidUntil, now - BURST_MS);
    this.#paidUntil = Math.min(from + frames * this.#msPerFrame, now + MAX_PAUSE_MS);
  }
}
