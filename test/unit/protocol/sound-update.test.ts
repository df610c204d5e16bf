import { describe, expect, it } from '@jest/globals';
import { encodeStateAsUpdate, YDoc } from 'ywasm';
import * as Y from 'yjs';
import { findUpdateFlaw } from '../../../lib/protocol/index.ts';
import { mutateBytes } from '../../fuzz/mutate-bytes.ts';
import { SeededRandom } from '../../fuzz/random.ts';
import { hex } from '../../support/hex.ts';

/** A document with text, formats, embeds, nested types, maps and deletions by two clients; and every update of it. */
function written(): { state: Uint8Array; updates: Uint8Array[] } {
  const updates: Uint8Array[] = [];
  const ann = new Y.Doc();
  ann.clientID = 5;
  ann.on('update', (update: Uint8Array) => updates.push(update));
  ann.getText('t').insert(0, 'hello world');
  ann.getText('t').format(0, 4, { bold: true });
  ann.getMap('m').set('k', { a: [1, 'x'] });
  ann.getArray('a').push([new Y.Map([['q', 1]]), 2, 'z']);
  ann.getText('t').delete(2, 3);
  ann.getText('t').insertEmbed(1, { i: 1 });
  const state = Y.encodeStateAsUpdate(ann);
  const bob = new Y.Doc();
  bob.clientID = 9;
  Y.applyUpdate(bob, state);
  bob.on('update', (update: Uint8Array) => updates.push(update));
  bob.getText('t').insert(3, 'more 😀');
  bob.getText('t').delete(0, 5);
  bob.getArray('a').insert(1, [5, new Y.Text('sub')]);
  bob.getMap('m').set('k', new Y.Map([['z', [1]]]));
  bob.transact(() => {
    bob.getText('t').insert(0, 'A');
    bob.getArray('a').delete(0, 2);
  });
  return { state, updates };
}

describe('a flaw of an update', () => {
  it('is found where Yjs decodes, and throws with half of it applied', () => {
    const { state } = written();
    const halves = [
      '01020980002701016d016a0128000910017a0175017d0100',
      '00020901000205037900020b021203',
      '00021b0100020503ffffffffffffff4f020b021203',
    ];
    for (const update of halves.map(hex)) {
      const doc = new Y.Doc();
      Y.applyUpdate(doc, state);
      const before = Y.encodeStateAsUpdate(doc);
      Y.decodeUpdate(update);
      expect(() => Y.applyUpdate(doc, update)).toThrow();
      expect(Y.encodeStateAsUpdate(doc)).not.toEqual(before);
      expect(findUpdateFlaw(update)).toBe('impossible');
    }
  });

  it('is found in what refers to a clock that nobody reaches: with it no document can be written any more', () => {
    // Waits for what stands at 45,035,996,273,704,960; found by mutation.
    const endless = hex('0103ea07000701017803017087e807ffffffffffffff4f060400e80701047461696c00');
    const doc = new Y.Doc();
    Y.applyUpdate(doc, endless);
    expect(() => Y.encodeStateAsUpdate(doc)).toThrow('Integer out of Range');
    expect(findUpdateFlaw(endless)).toBe('impossible');
    // To the left, to the right, as the parent, its own, a deletion; the last clock that is taken, and clients beyond all numbers.
    const [last, beyond] = ['80 80 80 80 80 80 80 02', '81 80 80 80 80 80 80 02'];
    for (const [clock, flaw] of [
      [last, undefined],
      [beyond, 'impossible'],
    ] as const)
      for (const update of [
        `01 01 09 00 84 07 ${clock} 01 78 00`,
        `01 01 09 00 44 07 ${clock} 01 78 00`,
        `01 01 09 00 04 00 07 ${clock} 01 78 00`,
        `00 01 09 01 00 ${clock}`,
      ])
        expect([update, findUpdateFlaw(hex(update))]).toEqual([update, flaw]);
    expect(findUpdateFlaw(hex(`01 01 09 ${last} 04 01 01 74 01 78 00`))).toBe('impossible');
    const client = '80 80 80 80 80 80 80 10';
    for (const update of [`01 01 ${client} 00 04 01 01 74 01 78 00`, `00 01 ${client} 01 00 01`])
      expect([update, findUpdateFlaw(hex(update))]).toEqual([update, 'impossible']);
  });

  it('is found in an item of no length, beside which honest words would be seen by nobody', () => {
    const empty = hex('01 01 05 00 04 01 01 74 00 00');
    const [ann, bob] = [new Y.Doc(), new Y.Doc()];
    for (const doc of [ann, bob]) Y.applyUpdate(doc, empty);
    ann.getText('t').insert(0, 'honest');
    Y.applyUpdate(bob, Y.encodeStateAsUpdate(ann));
    expect([ann, bob].map((doc) => doc.getText('t').toString())).toEqual(['honest', '']);
    expect(findUpdateFlaw(empty)).toBe('impossible');
    expect(findUpdateFlaw(hex('01 01 05 00 00 00 00'))).toBe('impossible');
    expect(findUpdateFlaw(hex('01 01 05 00 00 01 00'))).toBeUndefined();
    // Behind a text, as the last of its client; before one; and before what is not of its clock.
    for (const [flaw, update] of [
      ['impossible', '01 02 05 00 04 01 01 74 01 61 84 05 00 00 00'],
      [undefined, '01 03 05 00 04 01 01 74 01 61 84 05 00 00 84 05 00 01 62 00'],
      ['impossible', '02 02 05 00 04 01 01 74 01 61 84 05 00 00 01 04 00 04 01 01 74 01 62 00'],
    ] as const)
      expect(findUpdateFlaw(hex(update))).toBe(flaw);
  });

  it('is not found in the empty item that Yrs writes for an empty text with a format', () => {
    const doc = new YDoc({});
    const text = doc.getText('t');
    const made: Uint8Array[] = [];
    doc.onUpdate((update: Uint8Array) => made.push(update));
    text.insert(0, 'xyz', undefined, undefined);
    text.insert(0, '', { bold: true }, undefined);
    const structs = made.flatMap((update) => Y.decodeUpdate(update).structs);
    expect(structs.some(({ length }) => length === 0)).toBe(true);
    for (const update of [...made, encodeStateAsUpdate(doc)]) expect(findUpdateFlaw(update)).toBeUndefined();
    // Nor does it do harm: what is typed beside it reaches the other.
    const [ann, bob] = [new Y.Doc(), new Y.Doc()];
    for (const each of [ann, bob]) for (const update of made) Y.applyUpdate(each, update);
    for (const at of [0, 1, 2]) ann.getText('t').insert(at, 'honest');
    Y.applyUpdate(bob, Y.encodeStateAsUpdate(ann));
    expect(bob.getText('t').toDelta()).toEqual(ann.getText('t').toDelta());
    doc.free();
  });

  it.each([
    ['go backwards', hex('00 01 05 02 05 01 01 01')],
    ['overlap', hex('00 01 05 02 01 03 02 01')],
    ['come twice', hex('00 01 05 02 05 02 05 02')],
    ['go backwards in the next list of the same client', hex('00 02 05 01 05 01 05 01 01 01')],
  ])(
    'is found in deletions that %s: who has to wait for what they delete deletes something else',
    (_, update) => {
      const writer = new Y.Doc();
      writer.clientID = 5;
      writer.getText('t').insert(0, '0123456789'.repeat(20));
      const content = Y.encodeStateAsUpdate(writer);
      const texts = [
        [content, update],
        [update, content],
      ].map((order) => {
        const doc = new Y.Doc();
        for (const each of order) Y.applyUpdate(doc, each);
        return doc.getText('t').toString();
      });
      expect(texts[0]).not.toBe(texts[1]);
      expect(findUpdateFlaw(update)).toBe('impossible');
      expect(findUpdateFlaw(hex('00 01 05 02 01 04 05 01'))).toBeUndefined();
    },
  );

  it('is found in every mutated update that Yjs throws at, then or when the document is written, and in nothing that a client has written', () => {
    const { state, updates } = written();
    const sound = [
      state,
      ...updates,
      Y.mergeUpdates(updates),
      Y.mergeUpdates([updates[0]!, updates.at(-1)!]),
    ];
    for (const update of sound) expect(findUpdateFlaw(update)).toBeUndefined();
    expect(findUpdateFlaw(Uint8Array.of(1, 2, 3))).toBe('undecodable');
    const random = new SeededRandom(7);
    const missed: string[] = [];
    let thrown = 0;
    for (let round = 0; round < 20_000; round++) {
      const mutated = mutateBytes(random.pick(updates), random);
      const flaw = findUpdateFlaw(mutated);
      if (flaw === 'undecodable') continue;
      const doc = new Y.Doc({ guid: 'client' });
      Y.applyUpdate(doc, state);
      try {
        Y.applyUpdate(doc, mutated);
        Y.encodeStateAsUpdate(doc);
      } catch {
        thrown++; // that it throws is what the flaw has to foretell
        if (!flaw) missed.push(Buffer.from(mutated).toString('hex'));
      }
    }
    expect(missed).toEqual([]);
    expect(thrown).toBeGreaterThan(20);
  });
});
