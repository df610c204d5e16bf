import * as Y from 'yjs';
import { AppError } from '../errors.ts';
import { findUpdateFlaw } from '../protocol/sound-update.ts';
import { EMPTY_STATE_VECTOR, EMPTY_UPDATE, pendingOf, scratchDocument } from './documents.ts';
import { sizeOf } from './packing.ts';
import type { Folded } from './port.ts';
import { encodeWholeState } from './whole-state.ts';

export interface FoldLimits {
  /** How often the fold may begin again because an update threw; CODEC_FAILED above. */
  maxRestarts: number;
}

/**
 * The state that a snapshot and raw updates lead to, by Yjs. An update that throws may have been applied
 * in part, so the fold begins again without it: the result never depends on half an update.
 * `Y.encodeStateAsUpdate` includes pending structs and deletes; test/unit/codec/fold.test.ts holds it to that.
 */
export function foldWithYjs(
  snapshot: Uint8Array | undefined,
  updates: readonly Uint8Array[],
  limits: FoldLimits = { maxRestarts: Infinity },
): Folded {
  if (snapshot === undefined && updates.length === 0) {
    return {
      update: EMPTY_UPDATE.slice(),
      stateVector: EMPTY_STATE_VECTOR.slice(),
      pending: false,
      rejected: [],
    };
  }
  const all = foldTogether(snapshot, updates);
  if (all) return all;
  // Cheap first: those that no document takes, all in one pass.
  const rejected = new Set<number>();
  updates.forEach((update, index) => {
    if (!isApplicable(update)) rejected.add(index);
  });
  for (let restarts = 0; restarts <= limits.maxRestarts; restarts++) {
    const doc = scratchDocument();
    if (snapshot) applySnapshot(doc, snapshot);
    const failedAt = applyEach(doc, updates, rejected);
    if (failedAt === undefined)
      return encoded(
        doc,
        [...rejected].sort((a, b) => a - b),
        inputBytesOf(snapshot, updates),
      );
    rejected.add(failedAt);
  }
  throw new AppError('CODEC_FAILED', { data: { rejected: rejected.size } });
}

/**
 * True when Yjs applies it to an empty document without throwing, and it holds nothing at which Yjs throws only when
 * what it waits for has come: then a good update would be taken for the culprit.
 */
export function isApplicable(update: Uint8Array): boolean {
  if (findUpdateFlaw(update)) return false;
  try {
    Y.applyUpdate(scratchDocument(), update);
    return true;
  } catch {
    return false; // that it throws is the answer
  }
}

/** In one transaction, the fast path; undefined when anything threw. */
function foldTogether(snapshot: Uint8Array | undefined, updates: readonly Uint8Array[]): Folded | undefined {
  const doc = scratchDocument();
  try {
    doc.transact(() => {
      if (snapshot) Y.applyUpdate(doc, snapshot);
      for (const update of updates) Y.applyUpdate(doc, update);
    });
    // What waits in the document is written with it: deletions beyond all numbers throw only here.
    return encoded(doc, [], inputBytesOf(snapshot, updates));
  } catch {
    return undefined; // the careful path finds out which one it was
  }
}

function applySnapshot(doc: Y.Doc, snapshot: Uint8Array): void {
  try {
    Y.applyUpdate(doc, snapshot);
  } catch (cause) {
    throw new AppError('CODEC_FAILED', { data: { part: 'snapshot' }, cause });
  }
}

/** Index of the first that throws. */
function applyEach(
  doc: Y.Doc,
  updates: readonly Uint8Array[],
  skip: ReadonlySet<number>,
): number | undefined {
  for (let index = 0; index < updates.length; index++) {
    if (skip.has(index)) continue;
    try {
      Y.applyUpdate(doc, updates[index]!);
    } catch {
      return index; // the caller begins again without it
    }
  }
  return undefined;
}

const inputBytesOf = (snapshot: Uint8Array | undefined, updates: readonly Uint8Array[]): number =>
  sizeOf(updates) + (snapshot?.byteLength ?? 0);

function encoded(doc: Y.Doc, rejected: number[], inputBytes: number): Folded {
  const pending = pendingOf(doc);
  return {
    update: encodeWholeState(doc, inputBytes),
    stateVector: Y.encodeStateVector(doc),
    pending: pending.structs || pending.deletes,
    rejected,
  };
}
