import type { NackCode } from '../protocol/nack-codes.ts';
import { addVersion, hasVersion, mergeRanges, type VersionRanges } from '../protocol/ranges.ts';

/** An update on its way into the log. */
export interface Attempt {
  readonly version: number;
  readonly startedAtMs: number;
  readonly bytes: number;
  era: number;
}

/** What one connection has on the way into the log, all its documents together. */
export interface UnackedBudget {
  bytes: number;
  readonly maxBytes: number;
}

export type Admission = { kind: 'admitted' } | { kind: 'in-flight' } | { kind: 'refused'; code: NackCode };

/** Refusals that are remembered; the oldest are forgotten first. */
const MAX_REFUSED = 1024;
/** Gaps among the owed versions; a client that resends in order makes one. */
const MAX_OWED_RANGES = 1024;

/**
 * What a connection has sent of one document and what has become of it (design rule 11).
 * A transient nack makes a version owed; while a lower one is owed, later ones get a nack too, so that
 * the log keeps the client's order.
 */
export class ClientVersions {
  readonly #maxUnacked: number;
  readonly #budget: UnackedBudget;
  /** In the order of arrival. */
  readonly #unacked = new Map<number, Attempt>();
  readonly #refused = new Map<number, NackCode>();
  #owed: VersionRanges = [];
  /** Found in the log, or answered for good: the client may hold them no longer, so they must never become owed. */
  #settled: VersionRanges = [];
  #generation = 0;
  #era = 0;
  #isReleased = false;

  constructor(maxUnacked: number, budget: UnackedBudget = { bytes: 0, maxBytes: Infinity }) {
    this.#maxUnacked = maxUnacked;
    this.#budget = budget;
  }

  get unacked(): number {
    return this.#unacked.size;
  }

  get lowestOwed(): number | undefined {
    return this.#owed[0]?.[0];
  }

  isOwed(version: number): boolean {
    return hasVersion(this.#owed, version);
  }

  /**
   * Updates of this generation come now. What an earlier one owes the client has taken out of its queue: it never
   * comes again, so it holds back nothing, and neither does what is still on its way and fails later.
   */
  reach(generation: number): void {
    if (generation <= this.#generation) return;
    this.#generation = generation;
    this.beginAnew();
  }

  /** The client may have dropped what it had not seen acked: that holds back nothing any more. */
  beginAnew(): void {
    this.#era++;
    this.#owed = [];
  }

  /** Decides whether a version of so many bytes may be appended now; a transient refusal makes it owed. */
  admit(version: number, bytes = 0): Admission {
    const refused = this.#refused.get(version);
    if (refused) return { kind: 'refused', code: refused };
    const underWay = this.#unacked.get(version);
    if (underWay) {
      // Who sends it again still has it: should it fail now, it is owed.
      underWay.era = this.#era;
      return { kind: 'in-flight' };
    }
    const lowest = this.lowestOwed;
    if (lowest !== undefined && lowest < version) return this.#postpone(version, 'OWED');
    if (this.#unacked.size >= this.#maxUnacked || this.#exceedsBudget(bytes))
      return this.#postpone(version, 'TOO_MANY_UNACKED');
    this.#disown(version);
    return { kind: 'admitted' };
  }

  /** For a transient nack that is given before `admit` was asked. A repeat of what is in the log is never owed. */
  owe(version: number): void {
    if (hasVersion(this.#settled, version)) return;
    addVersion(this.#owed, version);
    if (this.#owed.length > MAX_OWED_RANGES) this.#owed.pop();
  }

  /** After `release` nobody waits for it: it counts for nothing. */
  begin(version: number, nowMs: number, bytes = 0): Attempt {
    const attempt = { version, startedAtMs: nowMs, bytes, era: this.#era };
    if (this.#isReleased) return attempt;
    this.#unacked.set(version, attempt);
    this.#budget.bytes += bytes;
    return attempt;
  }

  /** The connection has left the document: what is on the way counts no longer. */
  release(): void {
    this.#isReleased = true;
    for (const version of [...this.#unacked.keys()]) this.#end(version);
  }

  /**
   * An attempt is not known to be in the log: it and what arrived behind it become owed, unless the client
   * has begun anew since. Returns the versions to nack, in order; none when the log has delivered it meanwhile.
   */
  fail(attempt: Attempt): number[] {
    if (this.#unacked.get(attempt.version) !== attempt) return [];
    const versions = [...this.#unacked.keys()];
    const failed = versions.slice(versions.indexOf(attempt.version));
    for (const version of failed) {
      const ended = this.#end(version);
      if (ended?.era === this.#era) this.owe(version);
    }
    return failed;
  }

  /** The oldest attempt that began before `beforeMs`. */
  expired(beforeMs: number): Attempt | undefined {
    const [oldest] = this.#unacked.values();
    return oldest && oldest.startedAtMs < beforeMs ? oldest : undefined;
  }

  /** Refused for good on this connection. */
  refuse(version: number, code: NackCode): void {
    this.settle(version);
    this.#refused.set(version, code);
    if (this.#refused.size > MAX_REFUSED) {
      const [oldest] = this.#refused.keys();
      this.#refused.delete(oldest!);
    }
  }

  /** Found in the log, or answered for good. Returns the attempt that was under way. */
  settle(version: number): Attempt | undefined {
    this.#disown(version);
    addVersion(this.#settled, version);
    if (this.#settled.length > MAX_OWED_RANGES) this.#settled.shift();
    return this.#end(version);
  }

  settleAll(appended: VersionRanges): void {
    if (appended.length === 0) return;
    for (const version of [...this.#unacked.keys()]) {
      if (hasVersion(appended, version)) this.#end(version);
    }
    this.#owed = subtract(this.#owed, appended);
    this.#settled = mergeRanges(this.#settled, appended);
  }

  #end(version: number): Attempt | undefined {
    const attempt = this.#unacked.get(version);
    if (!attempt) return undefined;
    this.#unacked.delete(version);
    this.#budget.bytes -= attempt.bytes;
    return attempt;
  }

  /** One alone always fits. */
  #exceedsBudget(bytes: number): boolean {
    return this.#budget.bytes > 0 && this.#budget.bytes + bytes > this.#budget.maxBytes;
  }

  #postpone(version: number, code: NackCode): Admission {
    this.owe(version);
    return { kind: 'refused', code };
  }

  #disown(version: number): void {
    if (this.#owed.length > 0 && hasVersion(this.#owed, version))
      this.#owed = subtract(this.#owed, [[version, version]]);
  }
}

/** What is in `ranges` and not in `minus`. */
function subtract(ranges: VersionRanges, minus: VersionRanges): VersionRanges {
  let rest: VersionRanges = ranges;
  for (const [from, to] of minus) {
    const next: VersionRanges = [];
    for (const [low, high] of rest) {
      if (low < from) next.push([low, Math.min(high, from - 1)]);
      if (high > to) next.push([Math.max(low, to + 1), high]);
    }
    rest = next;
  }
  return rest;
}
