import { isComparable, type Position } from '../protocol/index.ts';

/**
 * What a delivered entry is for this document:
 * next: it continues the position. known: covered already. gap: something before it is missing.
 * stale: of an earlier generation, or before any state. foreign: of a later generation. Neither may be taken
 * into the document. unplaced: content of this generation whose place is not known yet.
 */
export type EntryPlace = 'next' | 'known' | 'gap' | 'stale' | 'foreign' | 'unplaced';

export interface Place {
  position: Position;
  previous: number;
}

/** Entries remembered beyond a gap; of more the oldest are forgotten, and the next join says more. */
const MAX_AHEAD = 4096;

/** Where a document stands in the log: everything up to `position` is in it, and how far others are known to be. */
export class PositionTracker {
  #position: Position | undefined;
  #generation: number | undefined;
  #heard: Position | undefined;
  /** Entries that are in the document although something before them is missing. */
  #ahead: Place[] = [];

  get position(): Position | undefined {
    return this.#position;
  }

  /** Generation of the state that the document holds; undefined before the first state. */
  get generation(): number | undefined {
    return this.#generation;
  }

  /** True while entries are in the document whose predecessors are missing. */
  get hasGap(): boolean {
    return this.#ahead.length > 0;
  }

  /** The highest position that anything of the server has named. */
  get heard(): Position | undefined {
    return this.#heard;
  }

  hear(position: Position): void {
    const heard = this.#heard;
    if (!heard || isLater(position, heard)) this.#heard = position;
  }

  /** A server that is behind what was heard has lost its log: what it says now is what counts. */
  hearInstead(position: Position): void {
    this.#heard = position;
  }

  place({ position, previous }: Place): EntryPlace {
    const own = this.#position;
    if (this.#generation === undefined || position.generation < this.#generation) return 'stale';
    if (position.generation > this.#generation) return 'foreign';
    if (!own) return 'unplaced';
    if (!isComparable(position, own)) return 'gap';
    if (position.offset <= own.offset) return 'known';
    return previous <= own.offset ? 'next' : 'gap';
  }

  /** The entry's content is in the document: moves on if it is the next one, else remembers it. */
  take(entry: Place): void {
    if (this.place(entry) === 'next') this.#position = entry.position;
    else this.#ahead.push(entry);
    if (this.#ahead.length > MAX_AHEAD) this.#ahead.shift();
    this.#catchUp();
  }

  /** A state has been applied, or a barrier: from here on. */
  set(position: Position): void {
    if (position.generation !== this.#generation) this.#ahead = [];
    this.#generation = position.generation;
    this.#position = position;
    this.hear(position);
    this.#catchUp();
  }

  /** Content is missing from the document: only a full state of the same generation helps. */
  reset(): void {
    this.#position = undefined;
    this.#ahead = [];
  }

  /** The document is another one; a kept copy knows the generation it came from. */
  restart(generation?: number): void {
    this.reset();
    this.#generation = generation;
  }

  /** Entries that came while something was missing count as soon as what lay before them is there. */
  #catchUp(): void {
    if (this.#ahead.length === 0 || !this.#position) return;
    this.#ahead.sort((a, b) => a.position.offset - b.position.offset);
    const left: Place[] = [];
    for (const entry of this.#ahead) {
      const place = this.place(entry);
      if (place === 'next') this.#position = entry.position;
      else if (place === 'gap' || place === 'foreign') left.push(entry);
    }
    this.#ahead = left;
  }
}

function isLater(a: Position, b: Position): boolean {
  if (a.generation !== b.generation) return a.generation > b.generation;
  if (a.epoch !== b.epoch) return a.epoch > b.epoch;
  return a.partition !== b.partition || a.offset > b.offset;
}
