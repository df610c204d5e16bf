type Range = [from: number, to: number];

/** Sets of clocks by client, as half-open ranges: what an update inserts, or what it deletes. */
export class ClockRanges {
  readonly #byClient = new Map<number, Range[]>();
  #isSorted = true;

  add(client: number, from: number, to: number): void {
    if (to <= from) return;
    const ranges = this.#byClient.get(client);
    if (ranges) ranges.push([from, to]);
    else this.#byClient.set(client, [[from, to]]);
    this.#isSorted = false;
  }

  /** True when every clock of `other` is in here too. */
  covers(other: ClockRanges): boolean {
    this.#normalize();
    other.#normalize();
    for (const [client, wanted] of other.#byClient) {
      const own = this.#byClient.get(client) ?? [];
      let i = 0;
      for (const [from, to] of wanted) {
        while (i < own.length && own[i]![1] < to) i++;
        if (i === own.length || own[i]![0] > from) return false;
      }
    }
    return true;
  }

  /** The state vector that these insertions make: for each client the end of what begins at 0. */
  stateVector(): Map<number, number> {
    this.#normalize();
    const vector = new Map<number, number>();
    for (const [client, ranges] of this.#byClient) if (ranges[0]![0] === 0) vector.set(client, ranges[0]![1]);
    return vector;
  }

  /** Sorts and joins what touches, so that a range is covered by one range or not at all. */
  #normalize(): void {
    if (this.#isSorted) return;
    for (const [client, ranges] of this.#byClient) {
      ranges.sort((a, b) => a[0] - b[0]);
      const joined: Range[] = [];
      for (const [from, to] of ranges) {
        const last = joined.at(-1);
        if (last && from <= last[1]) last[1] = Math.max(last[1], to);
        else joined.push([from, to]);
      }
      this.#byClient.set(client, joined);
    }
    this.#isSorted = true;
  }
}
