import * as Y from 'yjs';

/** Clocks of a client, half open: what is inserted, or what is deleted. */
export type ClockRange = readonly [client: number, from: number, to: number];

/** What an update does. A state vector would not show its deletions, nor what is pending. */
export interface Effect {
  inserts: readonly ClockRange[];
  deletes: readonly ClockRange[];
}

/** Reads it from the update itself. Throws when the update cannot be decoded. */
export function effectOf(update: Uint8Array): Effect {
  const { structs, ds } = Y.decodeUpdate(update);
  const inserts: ClockRange[] = [];
  for (const struct of structs) {
    if (struct instanceof Y.Skip) continue; // says what is *not* in the update
    const { client, clock } = struct.id;
    inserts.push([client, clock, clock + struct.length]);
  }
  const deletes: ClockRange[] = [];
  for (const [client, items] of ds.clients)
    for (const { clock, len } of items) deletes.push([client, clock, clock + len]);
  return { inserts, deletes };
}

/** Clocks that are there, by client, as sorted ranges that do not touch. */
export class ClockSet {
  readonly #byClient = new Map<number, [from: number, to: number][]>();

  constructor(ranges: readonly ClockRange[]) {
    for (const [client, from, to] of ranges) {
      const own = this.#byClient.get(client);
      if (own) own.push([from, to]);
      else this.#byClient.set(client, [[from, to]]);
    }
    for (const [client, own] of this.#byClient) this.#byClient.set(client, joined(own));
  }

  /** True when every clock of the range is in the set. */
  has([client, from, to]: ClockRange): boolean {
    const own = this.#byClient.get(client);
    if (!own) return from >= to;
    let low = 0;
    let high = own.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const [start, end] = own[middle]!;
      if (from < start) high = middle - 1;
      else if (from >= end) low = middle + 1;
      else return to <= end;
    }
    return from >= to;
  }
}

function joined(ranges: [number, number][]): [number, number][] {
  const result: [number, number][] = [];
  for (const [from, to] of ranges.sort((a, b) => a[0] - b[0])) {
    const last = result.at(-1);
    if (last && from <= last[1]) last[1] = Math.max(last[1], to);
    else result.push([from, to]);
  }
  return result;
}

/** The first range of `effect` that a state lacks, in words; undefined when it has all. */
export class StateContents {
  readonly #inserts: ClockSet;
  readonly #deletes: ClockSet;

  constructor(state: Uint8Array) {
    const { inserts, deletes } = effectOf(state);
    this.#inserts = new ClockSet(inserts);
    this.#deletes = new ClockSet(deletes);
  }

  lacks({ inserts, deletes }: Effect): string | undefined {
    for (const range of inserts) if (!this.#inserts.has(range)) return `insertion ${inWords(range)}`;
    for (const range of deletes) if (!this.#deletes.has(range)) return `deletion ${inWords(range)}`;
    return undefined;
  }
}

const inWords = ([client, from, to]: ClockRange) => `${client}:${from}-${to - 1}`;
