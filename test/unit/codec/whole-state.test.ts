import { describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import { foldWithYjs } from '../../../lib/codec/fold.ts';
import { encodeWholeState } from '../../../lib/codec/whole-state.ts';

/** Updates of which each has about half a megabyte, in one document. */
function large(): { doc: Y.Doc; updates: Uint8Array[] } {
  const doc = new Y.Doc({ guid: 'large' });
  doc.clientID = 1;
  const updates: Uint8Array[] = [];
  doc.on('update', (update: Uint8Array) => updates.push(update));
  for (let n = 0; n < 4; n++)
    doc.transact(() => {
      for (let piece = 0; piece < 500; piece++) doc.getText('t').insert(0, 'abcdefgh'.repeat(128));
      doc.getMap('m').set(`bytes ${n}`, Uint8Array.of(n, n, n));
    });
  return { doc, updates };
}

const isSame = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0;

describe('a large state', () => {
  it('is what Yjs writes, in one piece of memory of about its size', () => {
    const { doc, updates } = large();
    const { update } = foldWithYjs(undefined, updates);
    const state = Y.encodeStateAsUpdate(doc);
    expect(state.byteLength).toBeGreaterThan(1024 ** 2);
    expect(isSame(update, state)).toBe(true);
    // Where it was written.
    expect(update.buffer.byteLength).toBeGreaterThan(update.byteLength);
    expect(update.buffer.byteLength).toBeLessThan(1.1 * state.byteLength);
  });

  it('does not keep the room that its deleted content has left', () => {
    const { doc, updates } = large();
    doc.getText('t').delete(0, doc.getText('t').length);
    const { update } = foldWithYjs(undefined, updates);
    expect(isSame(update, Y.encodeStateAsUpdate(doc))).toBe(true);
    expect(update.buffer.byteLength).toBe(update.byteLength);
  });

  it('holds what waits for its dependencies, and may be larger than what it was made from', () => {
    const { updates } = large();
    const withGap = updates.toSpliced(1, 1);
    const folded = foldWithYjs(undefined, withGap);
    expect(folded.pending).toBe(true);
    const complete = foldWithYjs(folded.update, [updates[1]!]);
    expect(complete.pending).toBe(false);
    expect(isSame(complete.update, foldWithYjs(undefined, updates).update)).toBe(true);
    const { doc } = large();
    const ofMore = encodeWholeState(doc, 1024 ** 2);
    expect(isSame(ofMore, Y.encodeStateAsUpdate(doc))).toBe(true);
  });
});
