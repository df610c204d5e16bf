const STEP = Math.log(1.01);
const BUCKETS = 2048;

/** Durations in microseconds in buckets of 1 %, up to 700 s: any number of samples in little memory. */
export class Histogram {
  readonly counts: number[];
  #total = 0;

  constructor(counts: readonly number[] = []) {
    this.counts = Array.from({ length: BUCKETS }, (_, bucket) => counts[bucket] ?? 0);
    this.#total = this.counts.reduce((sum, count) => sum + count, 0);
  }

  get total(): number {
    return this.#total;
  }

  add(us: number): void {
    const bucket = us <= 1 ? 0 : Math.min(BUCKETS - 1, Math.round(Math.log(us) / STEP));
    this.counts[bucket]!++;
    this.#total++;
  }

  merge(counts: readonly number[]): void {
    counts.forEach((count, bucket) => (this.counts[bucket]! += count));
    this.#total += counts.reduce((sum, count) => sum + count, 0);
  }

  /** In milliseconds; NaN without samples. */
  percentileMs(percent: number): number {
    let left = (this.#total * percent) / 100;
    for (const [bucket, count] of this.counts.entries()) {
      left -= count;
      if (left <= 0 && this.#total > 0) return Math.exp(bucket * STEP) / 1000;
    }
    return NaN;
  }
}
