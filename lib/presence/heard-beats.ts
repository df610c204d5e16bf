/** Which gateways live, by when something was last heard of them on one channel, times in ms of one clock. */
export class HeardBeats {
  readonly #own: string;
  readonly #timeoutMs: number;
  readonly #heardAtMs = new Map<string, number>();
  #ownHeardAtMs: number;

  constructor(options: { own: string; timeoutMs: number; nowMs: number }) {
    this.#own = options.own;
    this.#timeoutMs = options.timeoutMs;
    this.#ownHeardAtMs = options.nowMs;
  }

  /** True when it is the own beat that comes back after it was away: others may have believed this gateway dead. */
  heard(gateway: string, nowMs: number): boolean {
    if (gateway !== this.#own) {
      this.#heardAtMs.set(gateway, nowMs);
      return false;
    }
    const wasAway = nowMs - this.#ownHeardAtMs > this.#timeoutMs;
    // After an outage of the channel the others were not heard either: they get their time again.
    if (wasAway) for (const known of this.#heardAtMs.keys()) this.#heardAtMs.set(known, nowMs);
    this.#ownHeardAtMs = nowMs;
    return wasAway;
  }

  /** True only when the other would be heard if it were there: the own beat comes back. */
  isSilent(gateway: string, nowMs: number): boolean {
    const before = nowMs - this.#timeoutMs;
    if (this.#ownHeardAtMs < before) return false;
    const heardAtMs = this.#heardAtMs.get(gateway);
    return heardAtMs !== undefined && heardAtMs < before;
  }
}
