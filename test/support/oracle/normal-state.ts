import * as Y from 'yjs';

/** A document that costs little to make: the guid is not read by anybody. */
export function scratchDocument(): Y.Doc {
  return new Y.Doc({ guid: 'oracle', gc: true });
}

/**
 * The same bytes for the same struct store, delete set and pending parts: what two documents that took the
 * same updates in another order keep apart (how runs are split, what is collected) is gone after one loading.
 */
export function normalState(state: Uint8Array): Uint8Array {
  const doc = scratchDocument();
  Y.applyUpdate(doc, state);
  return Y.encodeStateAsUpdate(doc);
}

/** The state that updates lead to, in their order. */
export function foldUpdates(updates: readonly Uint8Array[]): Uint8Array {
  const doc = scratchDocument();
  doc.transact(() => {
    for (const update of updates) Y.applyUpdate(doc, update);
  });
  return Y.encodeStateAsUpdate(doc);
}

export function areEqualBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.byteLength !== b.byteLength) return false;
  for (let index = 0; index < a.byteLength; index++) if (a[index] !== b[index]) return false;
  return true;
}

export function areSameStates(a: Uint8Array, b: Uint8Array): boolean {
  return areEqualBytes(a, b) || areEqualBytes(normalState(a), normalState(b));
}

/** What a person wants to know of two states that differ; no content. */
export function differenceInWords(a: Uint8Array, b: Uint8Array): string {
  const [one, other] = [a, b].map((state) => {
    const doc = scratchDocument();
    Y.applyUpdate(doc, state);
    const { pendingStructs, pendingDs } = doc.store;
    const vector = [...Y.decodeStateVector(Y.encodeStateVector(doc))].sort((x, y) => x[0] - y[0]);
    const clocks = vector.map(([client, clock]) => `${client}:${clock}`).join(' ');
    const pending = `${pendingStructs ? ' pending structs' : ''}${pendingDs ? ' pending deletes' : ''}`;
    return `[${clocks}]${pending} ${normalState(state).byteLength} B`;
  });
  return `${one} / ${other}`;
}
