import { describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import * as Y from 'yjs';
import { foldWithYjs } from '../../../lib/codec/fold.ts';
import { foldWithYrs } from '../../../lib/codec/yrs.ts';
import { findUpdateFlaw } from '../../../lib/protocol/index.ts';
import { hex } from '../../support/hex.ts';
import { permutations, sameClocks, sampleUpdates } from '../../support/crdt-samples.ts';

/** What a client shows and knows after these updates. */
function clientOf(updates: readonly Uint8Array[]) {
  const doc = new Y.Doc({ guid: 'client', gc: false });
  for (const update of updates) Y.applyUpdate(doc, update);
  return { text: doc.getText('t').toString(), stateVector: Y.encodeStateVector(doc) };
}

/** An insert, an insert behind a gap, deletes of both, and a merge over the gap. */
function awkwardUpdates() {
  const doc = new Y.Doc({ guid: 'author' });
  doc.clientID = 7;
  const updates: Uint8Array[] = [];
  doc.on('update', (update: Uint8Array) => updates.push(update));
  const text = doc.getText('t');
  text.insert(0, 'one ');
  text.insert(4, 'two ');
  text.insert(8, 'three');
  text.delete(5, 2);
  text.delete(0, 2);
  return { updates, whole: text.toString() };
}

describe('a fold', () => {
  it('equals Yjs for insert, delete and gap in every order, whole or cut anywhere', () => {
    const { updates, whole } = awkwardUpdates();
    for (const order of permutations(updates)) {
      for (let cut = 0; cut <= order.length; cut++) {
        const early = foldWithYjs(undefined, order.slice(0, cut));
        const seen = clientOf(order.slice(0, cut));
        expect(clientOf([early.update])).toEqual(seen);
        expect(early.stateVector).toEqual(seen.stateVector);
        // What waited in the first fold is not lost: the rest brings it in.
        expect(clientOf([foldWithYjs(early.update, order.slice(cut)).update]).text).toBe(whole);
      }
    }
  });

  it('by Yrs is refused or equals Yjs for insert, delete and gap in every order', () => {
    const { updates, whole } = awkwardUpdates();
    let taken = 0;
    for (const order of permutations(updates)) {
      for (let cut = 1; cut <= order.length; cut++) {
        const folded = foldWithYrs(undefined, order.slice(0, cut));
        if (!folded) continue;
        taken++;
        const seen = clientOf(order.slice(0, cut));
        expect(clientOf([folded.update])).toEqual(seen);
        expect(clientOf([folded.update, ...order.slice(cut)]).text).toBe(whole);
      }
    }
    expect(taken).toBeGreaterThan(5);
  });

  it('by Yrs is refused for a Skip, which would trap it', () => {
    const { updates } = awkwardUpdates();
    const overGap = Y.mergeUpdates([updates[0]!, updates[2]!]);
    expect(Y.decodeUpdate(overGap).structs.some((struct) => struct instanceof Y.Skip)).toBe(true);
    expect(foldWithYrs(undefined, [overGap])).toBeUndefined();
    expect(foldWithYrs(overGap, [updates[1]!])).toBeUndefined();
    expect(clientOf([foldWithYjs(overGap, [updates[1]!]).update]).text).toBe(
      clientOf(updates.slice(0, 3)).text,
    );
  });

  it('by Yrs equals Yjs for every kind of content', () => {
    for (const { name, updates, json } of sampleUpdates()) {
      const folded = foldWithYrs(updates[0], updates.slice(1));
      expect({ name, taken: folded !== undefined }).toEqual({ name, taken: true });
      const doc = new Y.Doc({ guid: 'reader' });
      Y.applyUpdate(doc, folded!.update);
      expect({ name, json: json(doc) }).toEqual({ name, json: json(authorOf(updates)) });
      // What the server makes of sound updates, providers take.
      expect({ name, flaw: findUpdateFlaw(folded!.update) }).toEqual({ name, flaw: undefined });
    }
  });

  it('by Yrs is refused where it would read a long text again for each update behind it', () => {
    const doc = new Y.Doc();
    const text = doc.getText('t');
    const typed = (count: number): Uint8Array[] => {
      const updates: Uint8Array[] = [];
      const listen = (update: Uint8Array) => void updates.push(update);
      doc.on('update', listen);
      for (let n = 0; n < count; n++) text.insert(text.length, 'x');
      doc.off('update', listen);
      return updates;
    };
    text.insert(0, 'x'.repeat(100_000));
    const long = Y.encodeStateAsUpdate(doc);
    const updates = typed(50);
    expect(foldWithYrs(long, updates)).toBeUndefined();
    expect(foldWithYrs(long, updates.slice(0, 5))).toBeDefined();
    // The same amount of text in short pieces.
    const map = doc.getMap<string>('m');
    text.delete(0, text.length);
    for (let n = 0; n < 1000; n++) map.set(`k${n}`, 'x'.repeat(100));
    const pieces = Y.encodeStateAsUpdate(doc);
    expect(foldWithYrs(pieces, typed(50))).toBeDefined();
  });

  it('by Yrs is refused for text beyond the basic plane: an edit that splits a pair comes out otherwise', () => {
    const doc = new Y.Doc({ guid: 'author' });
    const updates: Uint8Array[] = [];
    doc.on('update', (update: Uint8Array) => updates.push(update));
    doc.getText('t').insert(0, 'a😀b');
    doc.getText('t').format(0, 2, { bold: true });
    expect(foldWithYrs(undefined, updates)).toBeUndefined();
    expect(foldWithYrs(updates[0], updates.slice(1))).toBeUndefined();
  });

  it('by Yrs is refused for the rest of what is known in part: where that was collected, no client by Yjs can apply it', () => {
    const { updates, whole } = awkwardUpdates();
    const { honest, poison } = sameClocks(8);
    expect(foldWithYrs(undefined, [...updates, honest])).toBeDefined();
    expect(foldWithYrs(undefined, [...updates, honest, poison])).toBeUndefined();
    const folded = foldWithYjs(undefined, [...updates, honest, poison]);
    expect(folded.rejected).toEqual([updates.length + 1]);
    expect(clientOf([folded.update]).text).toBe(whole);
  });

  it('says whether something is waiting', () => {
    const { updates } = awkwardUpdates();
    expect(foldWithYjs(undefined, updates).pending).toBe(false);
    expect(foldWithYjs(undefined, [updates[1]!]).pending).toBe(true);
    expect(foldWithYjs(undefined, [updates[3]!]).pending).toBe(true);
  });

  it('leaves out what no client can apply, and says which', () => {
    const { updates, whole } = awkwardUpdates();
    const bad = Uint8Array.of(1, 1, 200, 1, 0, 4);
    const folded = foldWithYjs(undefined, [bad, updates[0]!, bad, ...updates.slice(1)]);
    expect(folded.rejected).toEqual([0, 2]);
    expect(clientOf([folded.update]).text).toBe(whole);
  });

  it('leaves out what waits and throws once the good update has come that it waits for, not that one', () => {
    const { updates, whole } = awkwardUpdates();
    // An insertion to the right of one of its own client that is not before it, and left of what has not come yet.
    const waiting = Uint8Array.of(1, 1, 9, 0, 0xc4, 9, 3, 7, 3, 1, 0x78, 0);
    expect(foldWithYjs(undefined, [waiting]).pending).toBe(true);
    const folded = foldWithYjs(undefined, [waiting, ...updates]);
    expect(folded.rejected).toEqual([0]);
    expect(clientOf([folded.update]).text).toBe(whole);
  });

  it('leaves out deletions that wait and cannot be written again', () => {
    // 300 times the same 2^52 of a client that nobody knows: together beyond what a number holds.
    const endless = hex(`00 01 05 ac 02 ${'00 80 80 80 80 80 80 80 08 '.repeat(300)}`);
    const doc = new Y.Doc();
    Y.applyUpdate(doc, endless);
    expect(() => Y.encodeStateAsUpdate(doc)).toThrow('Integer out of Range');
    const { updates, whole } = awkwardUpdates();
    const folded = foldWithYjs(undefined, [...updates, endless]);
    expect(folded.rejected).toEqual([updates.length]);
    expect(clientOf([folded.update]).text).toBe(whole);
  });

  it('leaves out what waits for a clock that nobody reaches: the document could not be written with it', () => {
    const endless = hex('0103ea07000701017803017087e807ffffffffffffff4f060400e80701047461696c00');
    const { updates, whole } = awkwardUpdates();
    const folded = foldWithYjs(undefined, [updates[0]!, endless, ...updates.slice(1)]);
    expect(folded.rejected).toEqual([1]);
    expect(clientOf([folded.update]).text).toBe(whole);
  });

  it('never depends on half an applied update: mutated ones are in it whole or not at all', () => {
    const { updates } = awkwardUpdates();
    let rejected = 0;
    for (let round = 0; round < 2_000; round++) {
      const mutated = updates[2]!.slice();
      mutated[round % mutated.length] = randomBytes(1)[0]!;
      const folded = foldWithYjs(undefined, [updates[0]!, mutated, updates[1]!]);
      // A mutated one that can be applied may make a good one that comes later inapplicable: so it is for clients.
      if (!folded.rejected.includes(1)) continue;
      rejected++;
      expect(folded.update).toEqual(foldWithYjs(undefined, [updates[0]!, updates[1]!]).update);
    }
    expect(rejected).toBeGreaterThan(20);
  });

  it('of nothing is the empty document', () => {
    expect(foldWithYjs(undefined, [])).toEqual({
      update: Uint8Array.of(0, 0),
      stateVector: Uint8Array.of(0),
      pending: false,
      rejected: [],
    });
  });

  it('fails when the snapshot itself cannot be read', () => {
    const { updates } = awkwardUpdates();
    expect(() => foldWithYjs(Uint8Array.of(9, 9, 9), updates)).toThrow(
      expect.objectContaining({ type: 'CODEC_FAILED' }),
    );
  });
});

function authorOf(updates: readonly Uint8Array[]): Y.Doc {
  const doc = new Y.Doc({ guid: 'author' });
  for (const update of updates) Y.applyUpdate(doc, update);
  return doc;
}
