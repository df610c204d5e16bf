import { describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import { ClockRanges } from '../../../lib/provider/clock-ranges.ts';
import { lackingUpdate } from '../../../lib/provider/lacking.ts';
import { yjsOperations } from '../../../lib/protocol/index.ts';

/** A text typed letter by letter, and the update of each. */
function typed(text: string) {
  const doc = new Y.Doc();
  const updates: Uint8Array[] = [];
  doc.on('update', (update: Uint8Array) => updates.push(update));
  for (const letter of text) doc.getText('t').insert(doc.getText('t').length, letter);
  return { doc, updates };
}

const vectorOf = (state: Uint8Array) => Y.encodeStateVectorFromUpdate(state);

describe('what the server lacks', () => {
  it('is what a gap in its state leaves out', () => {
    const { doc, updates } = typed('abc');
    const state = Y.mergeUpdates([updates[0]!, updates[2]!]);
    const lacking = lackingUpdate(yjsOperations(doc), { stateVector: vectorOf(state), state, queued: [] })!;
    const server = new Y.Doc();
    Y.applyUpdate(server, Y.mergeUpdates([state, lacking]));
    expect(server.getText('t').toString()).toBe('abc');
  });

  it('is nothing when it is queued', () => {
    const { doc, updates } = typed('abc');
    const state = updates[0]!;
    const server = { stateVector: vectorOf(state), state, queued: updates.slice(1) };
    expect(lackingUpdate(yjsOperations(doc), server)).toBeUndefined();
    expect(lackingUpdate(yjsOperations(doc), { ...server, queued: updates.slice(2) })).toBeDefined();
  });

  it('is a deletion that neither the state nor the queue holds', () => {
    const { doc } = typed('abc');
    const state = Y.encodeStateAsUpdate(doc);
    const deletions: Uint8Array[] = [];
    doc.on('update', (update: Uint8Array) => deletions.push(update));
    doc.getText('t').delete(0, 2);
    const server = { stateVector: vectorOf(state), state, queued: [] };
    expect(lackingUpdate(yjsOperations(doc), server)).toBeDefined();
    expect(lackingUpdate(yjsOperations(doc), { ...server, queued: deletions })).toBeUndefined();
  });
});

describe('ranges of clocks', () => {
  it('cover what lies in them, however they were put together', () => {
    const [own, other] = [new ClockRanges(), new ClockRanges()];
    own.add(1, 5, 9);
    own.add(1, 0, 3);
    own.add(1, 3, 5);
    own.add(2, 4, 6);
    other.add(1, 2, 8);
    expect(own.covers(other)).toBe(true);
    expect(own.stateVector()).toEqual(new Map([[1, 9]]));
    other.add(2, 3, 5);
    expect(own.covers(other)).toBe(false);
    expect(own.covers(new ClockRanges())).toBe(true);
  });
});
