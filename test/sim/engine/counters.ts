/** How often each kind of thing happened: a fault that never meets anything proves nothing. */
export class Counters {
  readonly counts = new Map<string, number>();

  count(name: string, by = 1): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + by);
  }

  add(other: Counters): void {
    for (const [name, value] of other.counts) this.count(name, value);
  }

  get(name: string): number {
    return this.counts.get(name) ?? 0;
  }
}
