import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import * as Y from 'yjs';
import { splitState } from '../../../lib/lifecycle/state-parts.ts';

/** A document of several clients with deletes, formats, subdocuments and nested types. */
function documentOf(words: readonly string[]): Y.Doc {
  const clients = [1, 2, 3].map((clientID) => Object.assign(new Y.Doc({ gc: clientID !== 2 }), { clientID }));
  words.forEach((word, index) => {
    const doc = clients[index % clients.length]!;
    const text = doc.getText('t');
    text.insert(Math.min(index, text.length), `${word}😀`, index % 2 ? { bold: true } : {});
    doc.getMap('m').set(word, new Y.Map([['nested', index]]));
    if (index % 3 === 0) text.delete(0, Math.min(2, text.length));
    if (index % 7 === 0) doc.getArray('a').push([new Y.Doc({ guid: word || 'empty' }), null, 1.5, [word]]);
    const other = clients[(index + 1) % clients.length]!;
    Y.applyUpdate(other, Y.encodeStateAsUpdate(doc));
  });
  const all = new Y.Doc({ gc: false }); // else the deletes are in the structs as well
  for (const doc of clients) Y.applyUpdate(all, Y.encodeStateAsUpdate(doc));
  return all;
}

describe('splitState', () => {
  it('gives a small state as it is', () => {
    const state = Y.encodeStateAsUpdate(documentOf(['a']));
    expect(splitState(state, { partBytes: state.byteLength, maxBytes: 1e6 })).toEqual([state]);
  });

  it('cuts into parts that are the state again, whatever it holds and in any order', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ maxLength: 12 }), { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 8, max: 300 }),
        fc.boolean(),
        (words, partBytes, reversed) => {
          const state = Y.encodeStateAsUpdate(documentOf(words));
          const parts = splitState(state, { partBytes, maxBytes: 10_000 });
          expect(splitState(state, { partBytes, maxBytes: 10_000 })).toEqual(parts);
          const doc = new Y.Doc({ gc: false });
          for (const part of reversed ? parts.toReversed() : parts) Y.applyUpdate(doc, part);
          const whole = new Y.Doc({ gc: false });
          Y.applyUpdate(whole, state);
          expect(Y.encodeStateAsUpdate(doc)).toEqual(Y.encodeStateAsUpdate(whole));
          if (state.byteLength > 4 * partBytes) expect(parts.length).toBeGreaterThan(1);
        },
      ),
      { seed: 1, numRuns: 60 },
    );
  });

  it('keeps what was deleted deleted, also where the content is still there', () => {
    const doc = new Y.Doc({ gc: false });
    for (const word of ['one ', 'two ', 'three ', 'four ']) doc.getText('t').insert(0, word);
    doc.getText('t').delete(2, 6);
    const copy = new Y.Doc();
    const parts = splitState(Y.encodeStateAsUpdate(doc), { partBytes: 8, maxBytes: 1000 });
    for (const part of parts) Y.applyUpdate(copy, part);
    expect(copy.getText('t').toString()).toBe(doc.getText('t').toString());
  });

  it('keeps what still waits for something that has not come', () => {
    const doc = new Y.Doc();
    const updates: Uint8Array[] = [];
    doc.on('update', (update: Uint8Array) => updates.push(update));
    for (const word of ['one', 'two', 'three', 'four']) doc.getText('t').insert(0, word);
    const gap = Y.mergeUpdates([updates[0]!, updates[3]!]);
    const parts = splitState(gap, { partBytes: 8, maxBytes: 1000 });
    const copy = new Y.Doc();
    for (const update of [...parts, updates[1]!, updates[2]!]) Y.applyUpdate(copy, update);
    expect(copy.getText('t').toString()).toBe(doc.getText('t').toString());
  });

  it('refuses what it cannot decode, and a piece that is too large for an update', () => {
    const options = { partBytes: 2, maxBytes: 100 };
    expect(() => splitState(Uint8Array.of(9, 9, 9), options)).toThrow(
      expect.objectContaining({ type: 'BAD_INPUT' }),
    );
    const doc = new Y.Doc();
    doc.getText('t').insert(0, 'x'.repeat(200));
    expect(() => splitState(Y.encodeStateAsUpdate(doc), options)).toThrow(
      expect.objectContaining({ type: 'BAD_INPUT' }),
    );
  });
});
