import { hasVersion, type VersionRanges } from '../protocol/index.ts';
import { mergeUpdates } from './lacking.ts';
import { splitUpdate } from './split-update.ts';

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

/** How much may be on its way at a time. */
export interface UnackedBound {
  maxUpdates: number;
  maxBytes: number;
  /** What the server takes as one update: merging goes no further. */
  maxUpdateBytes?: number;
}

/**
 * What the server does not have for sure: updates with a version, in order, and behind them those that wait
 * for one. Versions grow for ever; they never start again, whatever happens to the document.
 */
export class UpdateQueue {
  readonly #unacked = new Map<number, VersionedUpdate>();
  #unackedBytes = 0;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  /** How many of the waiting ones are merged as far as they will be. */
  #mergedCount = 0;
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

  /** Updates that the server does not have for sure, with and without a version. */
  get count(): number {
    return this.#unacked.size + this.#waiting.length;
  }

  /** Bytes of those. */
  get bytes(): number {
    return this.#unackedBytes + this.#waitingBytes;
  }

  /** Nothing more gets a version, or too much waits for one. */
  isFull({ maxUpdates, maxBytes }: UnackedBound): boolean {
    if (this.bytes >= maxBytes) return true;
    return this.#waiting.length > 0 && this.#unacked.size >= maxUpdates;
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
    this.#waitingBytes += update.byteLength;
  }

  /** Ahead of everything that waits: content that the others may build on. */
  addFirst(update: Uint8Array): void {
    this.#wait([update, ...this.#waiting]);
  }

  /** Merges what has piled up while nothing could be sent; what had a version stays as it is. */
  compact(maxUpdateBytes?: number): void {
    if (this.#waiting.length - this.#mergedCount < MERGE_THRESHOLD) return;
    // The last group may still grow; those before it are as large as they get.
    const done = Math.max(0, this.#mergedCount - 1);
    this.#wait([
      ...this.#waiting.slice(0, done),
      ...mergeInGroups(this.#waiting.slice(done), maxUpdateBytes),
    ]);
    this.#mergedCount = this.#waiting.length;
  }

  /** Cuts what is larger than one update may be, as long as it has no version. */
  splitLarge(maxBytes: number): void {
    if (!this.#waiting.some(({ byteLength }) => byteLength > maxBytes)) return;
    const partBytes = Math.min(maxBytes, MAX_MERGED_BYTES);
    this.#wait(
      this.#waiting.flatMap((update) =>
        update.byteLength > maxBytes ? splitUpdate(update, partBytes) : [update],
      ),
    );
  }

  /**
   * Gives versions to waiting updates while there is room; the last place is for as many as can be merged into one.
   * An update of any size goes alone.
   */
  assign(bound: UnackedBound, envelopeOf: (version: number, update: Uint8Array) => Uint8Array): void {
    const room = bound.maxUpdates - this.#unacked.size;
    if (room <= 0 || this.#waiting.length === 0) return;
    const each = this.#waiting.length <= room ? this.#waiting : this.#waiting.slice(0, room - 1);
    const rest = mergeInGroups(this.#waiting.slice(each.length), bound.maxUpdateBytes);
    const next = [...each, ...rest.splice(0, 1)];
    let taken = 0;
    for (const update of next) {
      if (this.#unackedBytes > 0 && this.#unackedBytes + update.byteLength > bound.maxBytes) break;
      this.#assignNext(update, envelopeOf);
      taken++;
    }
    this.#wait([...next.slice(taken), ...rest]);
  }

  #assignNext(update: Uint8Array, envelopeOf: (version: number, update: Uint8Array) => Uint8Array): void {
    const version = ++this.#lastVersion;
    const envelope = envelopeOf(version, update);
    this.#unacked.set(version, { version, update, envelope, isSent: false });
    this.#unackedBytes += update.byteLength;
  }

  #wait(updates: Uint8Array[]): void {
    this.#waiting = updates;
    this.#waitingBytes = updates.reduce((sum, { byteLength }) => sum + byteLength, 0);
    this.#mergedCount = 0;
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
    const held = this.#unacked.get(version);
    if (!held) return false;
    this.#unacked.delete(version);
    this.#unackedBytes -= held.update.byteLength;
    return true;
  }

  /** Settles exactly the versions that are named; returns those that were held. */
  settleAll(appended: VersionRanges): number[] {
    const settled = [...this.#unacked.keys()].filter((version) => hasVersion(appended, version));
    for (const version of settled) this.settle(version);
    return settled;
  }

  /** Forgets what never had a version. */
  dropWaiting(): void {
    this.#wait([]);
  }

  /** Empties the queue and returns what was in it, in order. */
  drop(): Uint8Array[] {
    const dropped = this.updates();
    this.#unacked.clear();
    this.#unackedBytes = 0;
    this.#wait([]);
    return dropped;
  }
}

/** Neighbours merged as long as they are small together; order is kept. */
function mergeInGroups(updates: readonly Uint8Array[], maxUpdateBytes = Infinity): Uint8Array[] {
  const limit = Math.min(MAX_MERGED_BYTES, maxUpdateBytes);
  const groups: Uint8Array[][] = [];
  let bytes = Infinity;
  for (const update of updates) {
    bytes += update.byteLength;
    if (bytes > limit) {
      groups.push([]);
      bytes = update.byteLength;
    }
    groups.at(-1)!.push(update);
  }
  return groups.map(mergeUpdates);
}
