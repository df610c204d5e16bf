import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import * as Y from 'yjs';
import { splitUpdate } from '../../../lib/provider/split-update.ts';
import { sampleUpdates } from '../../support/crdt-samples.ts';

const stateOf = (updates: readonly Uint8Array[]) => {
  const doc = new Y.Doc({ guid: 'reader' });
  for (const update of updates) Y.applyUpdate(doc, update);
  expect(doc.store.pendingStructs).toBeNull();
  expect(doc.store.pendingDs).toBeNull();
  return Buffer.from(Y.encodeStateAsUpdate(doc)).toString('hex');
};

const longText = (make: (text: Y.Text) => void) => {
  const doc = new Y.Doc({ guid: 'writer' });
  doc.clientID = 7;
  make(doc.getText('t'));
  return Y.encodeStateAsUpdate(doc);
};

describe('an update that is too large', () => {
  it('becomes several that fit, and together are the same in any order', () => {
    const update = longText((text) => {
      for (let i = 0; i < 200; i++) text.insert(text.length >> 1, `paragraph ${i} ${'x'.repeat(i)}`);
      text.delete(100, 500);
    });
    const parts = splitUpdate(update, 2_000);
    expect(parts.length).toBeGreaterThan(5);
    for (const part of parts) expect(part.byteLength).toBeLessThanOrEqual(2_000);
    expect(stateOf(parts)).toBe(stateOf([update]));
    expect(stateOf(parts.toReversed())).toBe(stateOf([update]));
  });

  it('is cut within one long text, never within a surrogate pair', () => {
    for (const padding of ['', 'a', 'ab', 'abc']) {
      const update = longText((text) => text.insert(0, padding + '😀'.repeat(5_000)));
      const parts = splitUpdate(update, 1_000);
      expect(parts.length).toBeGreaterThan(15);
      for (const part of parts) expect(part.byteLength).toBeLessThanOrEqual(1_000);
      expect(stateOf(parts)).toBe(stateOf([update]));
    }
  });

  it('is cut within a long list', () => {
    const doc = new Y.Doc({ guid: 'writer' });
    doc.getArray('a').push(Array.from({ length: 3_000 }, (_, i) => ({ i, text: `value ${i}` })));
    const update = Y.encodeStateAsUpdate(doc);
    const parts = splitUpdate(update, 5_000);
    for (const part of parts) expect(part.byteLength).toBeLessThanOrEqual(5_000);
    expect(stateOf(parts)).toBe(stateOf([update]));
  });

  it('keeps what cannot be cut in a part of its own', () => {
    const doc = new Y.Doc({ guid: 'writer' });
    doc.getMap('m').set('before', 1);
    doc.getMap('m').set('bytes', new Uint8Array(5_000));
    doc.getMap('m').set('after', 2);
    const update = Y.encodeStateAsUpdate(doc);
    const parts = splitUpdate(update, 1_000);
    expect(parts.filter((part) => part.byteLength > 1_000)).toHaveLength(1);
    expect(stateOf(parts)).toBe(stateOf([update]));
  });

  it('of many deletions is cut as well', () => {
    const update = longText((text) => {
      text.insert(0, 'x'.repeat(2_000));
      for (let i = 0; i < 900; i++) text.delete(i, 1);
    });
    const parts = splitUpdate(update, 500);
    for (const part of parts) expect(part.byteLength).toBeLessThanOrEqual(500);
    expect(stateOf(parts)).toBe(stateOf([update]));
  });

  it('of every kind of content, of several clients and with gaps, stays the same', () => {
    for (const { updates } of sampleUpdates()) {
      const whole = Y.mergeUpdates(updates);
      for (const maxBytes of [40, 90, 300])
        expect(stateOf(splitUpdate(whole, maxBytes))).toBe(stateOf([whole]));
    }
    const [first, , third] = sampleUpdates()[0]!.updates;
    const withGap = Y.mergeUpdates([first!, third!]);
    const merged = Y.mergeUpdates(splitUpdate(withGap, 30));
    expect(Y.encodeStateVectorFromUpdate(merged)).toEqual(Y.encodeStateVectorFromUpdate(withGap));
    const missing = sampleUpdates()[0]!.updates[1]!;
    expect(stateOf([...splitUpdate(withGap, 30), missing])).toBe(stateOf([withGap, missing]));
  });

  it('by random people stays the same', () => {
    const edit = fc.record({
      who: fc.nat(2),
      at: fc.nat(200),
      text: fc.string({ unit: 'grapheme', maxLength: 20 }),
      cut: fc.nat(5),
    });
    fc.assert(
      fc.property(fc.array(edit, { maxLength: 40 }), fc.integer({ min: 30, max: 400 }), (edits, maxBytes) => {
        const docs = [1, 2, 3].map((clientID) => Object.assign(new Y.Doc({ guid: 'x' }), { clientID }));
        for (const { who, at, text, cut } of edits) {
          const shared = docs[who]!.getText('t');
          shared.insert(Math.min(at, shared.length), text);
          shared.delete(0, Math.min(cut, shared.length));
          if (at % 5 === 0) for (const doc of docs) Y.applyUpdate(doc, Y.encodeStateAsUpdate(docs[who]!));
        }
        const whole = Y.mergeUpdates(docs.map((doc) => Y.encodeStateAsUpdate(doc)));
        expect(stateOf(splitUpdate(whole, maxBytes))).toBe(stateOf([whole]));
      }),
      { seed: 1, numRuns: 150 },
    );
  });
});
