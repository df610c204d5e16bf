/** Parts of the time-out that pass between two own beats, and after which the own beat is late. */
const USUAL = 1 / 3;
const LATE = 2 / 3;

/** Which gateways live, by when something was last heard of them on one channel, times in ms of one clock. */
export class HeardBeats {
  readonly #own: string;
  readonly #timeoutMs: number;
  readonly #heardAtMs = new Map<string, number>();
  #ownHeardAtMs: number;
  /** Since when others would have been heard, as far as that was not interrupted. */
  #listensSinceMs: number;

  constructor(options: { own: string; timeoutMs: number; nowMs: number }) {
    this.#own = options.own;
    this.#timeoutMs = options.timeoutMs;
    this.#ownHeardAtMs = options.nowMs;
    this.#listensSinceMs = options.nowMs;
  }

  /** True when it is the own beat that comes back after it was away: others may have believed this gateway dead. */
  heard(gateway: string, nowMs: number): boolean {
    if (gateway !== this.#own) {
      this.#heardAtMs.set(gateway, nowMs);
      return false;
    }
    const gapMs = nowMs - this.#ownHeardAtMs;
    const wasAway = gapMs > this.#timeoutMs;
    // After an outage of the channel the others were not heard either, and not all find it again at one time: they get
    // twice their time.
    if (wasAway) this.#hearAllAt(() => nowMs + this.#timeoutMs);
    // Nor were they for most of a gap that is shorter: a machine that stands still for some seconds runs on with
    // whichever comes first.
    else if (gapMs > LATE * this.#timeoutMs)
      this.#hearAllAt((heardAtMs) => Math.min(nowMs, heardAtMs + gapMs - USUAL * this.#timeoutMs));
    this.#ownHeardAtMs = nowMs;
    return wasAway;
  }

  #hearAllAt(later: (heardAtMs: number) => number): void {
    this.#listensSinceMs = later(this.#listensSinceMs);
    for (const [known, heardAtMs] of this.#heardAtMs) this.#heardAtMs.set(known, later(heardAtMs));
  }

  /**
   * True only when the other would have been heard if it were there: by own beats that came back since, not by the time
   * that has passed. In an outage the one whose beat was the first to be missed would be taken for dead.
   */
  isSilent(gateway: string): boolean {
    return this.#heardAtMs.has(gateway) && this.isGone(gateway);
  }

  /** The same of one that may never have been heard: it may have died before anybody listened. */
  isGone(gateway: string): boolean {
    if (gateway === this.#own) return false;
    const heardAtMs = this.#heardAtMs.get(gateway) ?? this.#listensSinceMs;
    return this.#ownHeardAtMs - heardAtMs > this.#timeoutMs;
  }
}
