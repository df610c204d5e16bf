import { hasVersion, type VersionRanges } from '../protocol/index.ts';
import { mergeUpdates } from './lacking.ts';

/** An update that has a version: kept, byte for byte, until it is known to be in the log or refused. */
export interface VersionedUpdate {
  readonly version: number;
  /** The Yjs update inside. */
  readonly update: Uint8Array;
  readonly envelope: Uint8Array;
  /** Sent on this connection and not nacked since. */
  isSent: boolean;
}

/** Merging goes on up to this size only: an update far below the server's limit stays below it. */
const MAX_MERGED_BYTES = 1024 * 1024;

/** So many updates without a version are merged into one: a long time offline stays bounded in number. */
const MERGE_THRESHOLD = 256;

/**
 * What the server does not have for sure: updates with a version, in order, and behind them those that wait
 * for one. Versions grow for ever; they never start again, whatever happens to the document.
 */
export class UpdateQueue {
  readonly #unacked = new Map<number, VersionedUpdate>();
  #waiting: Uint8Array[] = [];
  #lastVersion: number;

  constructor(lastVersion = 0) {
    this.#lastVersion = lastVersion;
  }

  /** The highest version given out so far. */
  get lastVersion(): number {
    return this.#lastVersion;
  }

  get isEmpty(): boolean {
    return this.#unacked.size === 0 && this.#waiting.length === 0;
  }

  get unackedCount(): number {
    return this.#unacked.size;
  }

  get hasWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  has(version: number): boolean {
    return this.#unacked.has(version);
  }

  get(version: number): VersionedUpdate | undefined {
    return this.#unacked.get(version);
  }

  /** All updates in order, those without a version last. */
  updates(): Uint8Array[] {
    return [...[...this.#unacked.values()].map(({ update }) => update), ...this.#waiting];
  }

  add(update: Uint8Array): void {
    this.#waiting.push(update);
  }

  /** Ahead of everything that waits: content that the others may build on. */
  addFirst(update: Uint8Array): void {
    this.#waiting.unshift(update);
  }

  /** Merges what has piled up while nothing could be sent. */
  compact(): void {
    if (this.#waiting.length >= MERGE_THRESHOLD) this.#waiting = mergeInGroups(this.#waiting);
  }

  /**
   * Gives versions to waiting updates while there is room for `maxUnacked` of them; the last place is for as many
   * as can be merged into one.
   */
  assign(maxUnacked: number, envelopeOf: (version: number, update: Uint8Array) => Uint8Array): void {
    const room = maxUnacked - this.#unacked.size;
    if (room <= 0 || this.#waiting.length === 0) return;
    const each = this.#waiting.length <= room ? this.#waiting : this.#waiting.slice(0, room - 1);
    const [merged, ...rest] = mergeInGroups(this.#waiting.slice(each.length));
    this.#waiting = rest;
    for (const update of merged ? [...each, merged] : each) {
      const version = ++this.#lastVersion;
      this.#unacked.set(version, {
        version,
        update,
        envelope: envelopeOf(version, update),
        isSent: false,
      });
    }
  }

  /** What has a version and is not on its way, in order. */
  unsent(): VersionedUpdate[] {
    return [...this.#unacked.values()].filter(({ isSent }) => !isSent);
  }

  /** From `version` on everything has to be sent again. */
  markUnsent(version = 0): void {
    for (const entry of this.#unacked.values()) if (entry.version >= version) entry.isSent = false;
  }

  /** True when the version was held. */
  settle(version: number): boolean {
    return this.#unacked.delete(version);
  }

  /** Settles exactly the versions that are named; returns those that were held. */
  settleAll(appended: VersionRanges): number[] {
    const settled = [...this.#unacked.keys()].filter((version) => hasVersion(appended, version));
    for (const version of settled) this.#unacked.delete(version);
    return settled;
  }

  /** Empties the queue and returns what was in it, in order. */
  drop(): Uint8Array[] {
    const dropped = this.updates();
    this.#unacked.clear();
    this.#waiting = [];
    return dropped;
  }
}

/** Neighbours merged as long as they are small together; order is kept. */
function mergeInGroups(updates: readonly Uint8Array[]): Uint8Array[] {
  const groups: Uint8Array[][] = [];
  let bytes = Infinity;
  for (const update of updates) {
    bytes += update.byteLength;
    if (bytes > MAX_MERGED_BYTES) {
      groups.push([]);
      bytes = update.byteLength;
    }
    groups.at(-1)!.push(update);
  }
  return groups.map(mergeUpdates);
}
