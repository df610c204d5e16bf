import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import * as Y from 'yjs';
import { foldWithYjs } from '../../../lib/codec/fold.ts';
import { foldWithYrs } from '../../../lib/codec/yrs.ts';

const edit = fc.record({
  author: fc.nat({ max: 2 }),
  kind: fc.constantFrom('insert', 'delete', 'format', 'set', 'unset', 'push', 'exchange'),
  at: fc.nat({ max: 30 }),
  length: fc.integer({ min: 1, max: 6 }),
});
type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never;

/** Three people who edit one document and exchange their updates now and then; every update, in a causal order. */
function session(edits: readonly Edit[]): { updates: Uint8Array[]; docs: Y.Doc[] } {
  const updates: Uint8Array[] = [];
  const docs = [11, 22, 33].map((clientID) => {
    const doc = new Y.Doc({ guid: `author ${clientID}` });
    doc.clientID = clientID;
    doc.on('update', (update: Uint8Array, origin: unknown) => origin === 'exchange' || updates.push(update));
    return doc;
  });
  for (const step of edits) apply(docs, step);
  return { updates, docs };
}

function apply(docs: readonly Y.Doc[], { author, kind, at, length }: Edit): void {
  const doc = docs[author]!;
  const text = doc.getText('t');
  const index = Math.min(at, text.length);
  const count = Math.min(length, text.length - index);
  if (kind === 'insert') text.insert(index, 'abcdef'.slice(0, length));
  else if (kind === 'delete') text.delete(index, count);
  else if (kind === 'format' && count > 0) text.format(index, count, { bold: at % 2 === 0 || null });
  else if (kind === 'set') doc.getMap('m').set(`k${at % 4}`, { at, length });
  else if (kind === 'unset') doc.getMap('m').delete(`k${at % 4}`);
  else if (kind === 'push') doc.getArray('a').push([at, `${length}`]);
  else if (kind === 'exchange')
    for (const other of docs)
      if (other !== doc)
        Y.applyUpdate(doc, Y.encodeStateAsUpdate(other, Y.encodeStateVector(doc)), 'exchange');
}

const shown = (update: Uint8Array) => {
  const doc = new Y.Doc({ guid: 'reader' });
  Y.applyUpdate(doc, update);
  return {
    text: doc.getText('t').toDelta() as unknown,
    map: doc.getMap('m').toJSON(),
    array: doc.getArray('a').toJSON(),
    stateVector: Y.encodeStateVector(doc),
  };
};

describe('random sessions of three people', () => {
  it('are folded by Yrs as by Yjs, or refused', () => {
    let taken = 0;
    fc.assert(
      fc.property(fc.array(edit, { minLength: 5, maxLength: 60 }), fc.nat({ max: 60 }), (edits, cut) => {
        const { updates } = session(edits);
        const snapshot = foldWithYjs(undefined, updates.slice(0, cut)).update;
        const byYjs = foldWithYjs(snapshot, updates.slice(cut));
        const byYrs = foldWithYrs(snapshot, updates.slice(cut));
        if (byYrs) taken++;
        if (byYrs) expect(shown(byYrs.update)).toEqual(shown(byYjs.update));
      }),
      { seed: 1, numRuns: 400 },
    );
    expect(taken).toBeGreaterThan(100);
  });
});
