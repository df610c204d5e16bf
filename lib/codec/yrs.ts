import { createRequire } from 'node:module';
import * as Y from 'yjs';
import type * as YwasmModule from 'ywasm';
import { EMPTY_STATE_VECTOR } from './documents.ts';
import { isApplicable } from './fold.ts';
import type { Folded } from './port.ts';

// CommonJS, and it reads its .wasm while it loads: only where a fold by Yrs is done.
const require = createRequire(import.meta.url);
type Ywasm = typeof YwasmModule;
let loaded: Ywasm | undefined;
const ywasm = (): Ywasm => (loaded ??= require('ywasm') as Ywasm);

type Clocks = Map<number, number>;

/** What the inputs so far add up to. */
interface Seen {
  clocks: Clocks;
  /** UTF-16 code units of the longest text that was written in one go. */
  longestText: number;
}

/**
 * Yrs (ywasm 0.18.3) reads a text to its end whenever something is appended to it: 400 updates behind 640 kB that one
 * person typed took 390 ms, by Yjs 27. So many code units it may read for one fold, some 5 ms.
 */
const MAX_READ_UNITS = 2_000_000;

/**
 * The fold by Yrs, or undefined where Yjs has to do it: Yrs loses what stays pending and deletes that come before their
 * insert, a Skip traps it, it splits surrogate pairs in its own way, and it is slow where a long text goes on. Throws (a
 * trap of WebAssembly) only for the thread to be thrown away. Bytes from outside reach it only after Yjs has applied
 * them; that makes a trap rare, not impossible.
 */
export function foldWithYrs(
  snapshot: Uint8Array | undefined,
  updates: readonly Uint8Array[],
): Folded | undefined {
  const seen: Seen = { clocks: new Map(), longestText: 0 };
  if (snapshot && !advances(seen, snapshot)) return undefined;
  // Before the updates are looked at one by one, which would be in vain.
  const grown = seen.longestText + updates.reduce((sum, { byteLength }) => sum + byteLength, 0);
  if (grown * updates.length > MAX_READ_UNITS) return undefined;
  for (const update of updates) if (!isApplicable(update) || !advances(seen, update)) return undefined;
  const { YDoc, applyUpdate, encodeStateAsUpdate, encodeStateVector } = ywasm();
  const doc = new YDoc({ gc: true });
  if (snapshot) applyUpdate(doc, snapshot, null);
  for (const update of updates) applyUpdate(doc, update, null);
  const stateVector = encodeStateVector(doc);
  const update = encodeStateAsUpdate(doc);
  doc.free();
  return isEqual(Y.decodeStateVector(stateVector), seen.clocks)
    ? { update, stateVector, pending: false, rejected: [] }
    : undefined;
}

/** Adds the update to what was seen; false when any of it would stay pending, or it holds a Skip. */
function advances(seen: Seen, update: Uint8Array): boolean {
  const { clocks } = seen;
  const { structs, ds } = Y.decodeUpdate(update);
  for (const struct of structs) {
    const { client, clock } = struct.id;
    const known = clocks.get(client) ?? 0;
    if (struct instanceof Y.Skip || clock > known || holdsPairs(struct)) return false;
    // Of the rest of what is known in part Yjs and Yrs may think differently: Yjs throws where the part was collected.
    if (clock < known && clock + struct.length > known) return false;
    clocks.set(client, Math.max(known, clock + struct.length));
    if (isText(struct)) seen.longestText = Math.max(seen.longestText, struct.length);
  }
  for (const struct of structs)
    if (struct instanceof Y.Item && !hasDependencies(struct, clocks)) return false;
  for (const [client, ranges] of ds.clients) {
    const known = clocks.get(client) ?? 0;
    for (const { clock, len } of ranges) if (clock + len > known) return false;
  }
  return true;
}

/** Whether all that an item refers to is there, and was there before it. */
function hasDependencies({ id, origin, rightOrigin, parent }: Y.Item, clocks: Clocks): boolean {
  const isKnown = (needed: unknown) =>
    !(needed instanceof Y.ID) ||
    needed.clock < (needed.client === id.client ? id.clock : (clocks.get(needed.client) ?? 0));
  // An undecoded parent is an id, or the name of a root type.
  return isKnown(origin) && isKnown(rightOrigin) && isKnown(parent);
}

/** Yjs and Yrs disagree (ywasm 0.18.3) on what is left of a surrogate pair that an edit has split. */
function holdsPairs(struct: Y.Item | Y.GC | Y.Skip): boolean {
  return isText(struct) && /[\ud800-\udfff]/.test(struct.content.str);
}

function isText(struct: Y.Item | Y.GC | Y.Skip): struct is Y.Item & { content: Y.ContentString } {
  return struct instanceof Y.Item && struct.content instanceof Y.ContentString;
}

function isEqual(a: Clocks, b: Clocks): boolean {
  return a.size === b.size && [...a].every(([client, clock]) => b.get(client) === clock);
}

/**
 * Folds for which Yrs pays: a large snapshot and few updates, since Yjs applies each of them first. Not a very large one:
 * the check decodes it all and WebAssembly never gives its memory back (50 MB: 1.8 s and 200 MB, by Yjs 0.9 s and 120 MB).
 */
export function paysForYrs(snapshot: Uint8Array | undefined, updates: readonly Uint8Array[]): boolean {
  if (snapshot === undefined || snapshot.byteLength <= EMPTY_STATE_VECTOR.byteLength) return false;
  if (snapshot.byteLength > MAX_YRS_SNAPSHOT_BYTES) return false;
  return (
    snapshot.byteLength >= YRS_SNAPSHOT_BYTES && updates.length * UPDATE_WORTH_BYTES <= snapshot.byteLength
  );
}

const YRS_SNAPSHOT_BYTES = 64 * 1024;
const MAX_YRS_SNAPSHOT_BYTES = 4 * 1024 * 1024;
/** Checking one update costs about as much as Yrs saves on this much of a snapshot. */
const UPDATE_WORTH_BYTES = 1024;
