import { describe, expect, it } from '@jest/globals';
import * as awarenessProtocol from 'y-protocols/awareness';
import * as Y from 'yjs';
import {
  decodeAwarenessUpdate,
  encodeAwarenessUpdate,
  MAX_AWARENESS_STATE_BYTES,
  MAX_AWARENESS_STATES,
  splitAwarenessStates,
  type AwarenessState,
} from '../../../lib/protocol/index.ts';

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));

function awarenessOf(clientId: number, state: Record<string, unknown>): awarenessProtocol.Awareness {
  const doc = new Y.Doc({ guid: 'x' });
  doc.clientID = clientId;
  const awareness = new awarenessProtocol.Awareness(doc);
  awareness.setLocalState(state);
  return awareness;
}

describe('awareness updates without a document', () => {
  it('reads what y-protocols writes', () => {
    const awareness = awarenessOf(4_294_967_295, { user: { name: 'Zoë 🦊' } });
    const update = awarenessProtocol.encodeAwarenessUpdate(awareness, [awareness.clientID]);
    expect(decodeAwarenessUpdate(update)).toEqual({
      ok: true,
      value: [{ clientId: 4_294_967_295, clock: 1, state: '{"user":{"name":"Zoë 🦊"}}' }],
    });
    awareness.destroy();
  });

  it('writes what y-protocols reads, removals included', () => {
    const awareness = awarenessOf(1, {});
    const apply = (states: AwarenessState[]) =>
      awarenessProtocol.applyAwarenessUpdate(awareness, encodeAwarenessUpdate(states), 'test');
    apply([
      { clientId: 7, clock: 3, state: '{"a":1}' },
      { clientId: 8, clock: 1, state: '{"b":2}' },
    ]);
    expect(awareness.getStates().get(7)).toEqual({ a: 1 });
    apply([{ clientId: 7, clock: 3, state: 'null' }]);
    expect([...awareness.getStates().keys()].sort()).toEqual([1, 8]);
    awareness.destroy();
  });

  it('has the layout that was written by hand', () => {
    const states = [
      { clientId: 300, clock: 5, state: '{}' },
      { clientId: 1, clock: 0, state: 'null' },
    ];
    const bytes = hex('02  ac02 05 02 7b7d  01 00 04 6e756c6c');
    expect(Buffer.from(encodeAwarenessUpdate(states)).toString('hex')).toBe(
      Buffer.from(bytes).toString('hex'),
    );
    expect(decodeAwarenessUpdate(bytes)).toEqual({ ok: true, value: states });
  });

  it.each([
    ['nothing', ''],
    ['a count without states', '01'],
    ['a state cut off', '01 01 01 02 7b'],
    ['bytes behind the last state', '01 01 01 02 7b7d 00'],
    ['a state that is not JSON', '01 01 01 02 7b7b'],
    ['a state that is no object', '01 01 01 01 31'],
    ['a state that is not UTF-8', '01 01 01 05 7b22ff227d'],
    ['a count of a billion', 'ffffffff03'],
    ['a clock above 2^53 - 1', '01 01 ffffffffffffff7f 02 7b7d'],
    ['a client id longer than needed', '01 8100 01 02 7b7d'],
  ])('refuses %s', (_what, bytes) => {
    expect(decodeAwarenessUpdate(hex(bytes))).toMatchObject({
      ok: false,
      failure: { code: 'BAD_AWARENESS' },
    });
  });

  it('bounds the states of a message and the size of a state', () => {
    const states = Array.from({ length: MAX_AWARENESS_STATES + 1 }, (_, clientId) => ({
      clientId,
      clock: 1,
      state: '{}',
    }));
    expect(decodeAwarenessUpdate(encodeAwarenessUpdate(states)).ok).toBe(false);
    const parts = [...splitAwarenessStates(states)];
    expect(parts.map((part) => part.length)).toEqual([MAX_AWARENESS_STATES, 1]);
    expect(parts.every((part) => decodeAwarenessUpdate(encodeAwarenessUpdate(part)).ok)).toBe(true);

    const large = (characters: number) =>
      encodeAwarenessUpdate([
        { clientId: 1, clock: 1, state: JSON.stringify({ a: 'x'.repeat(characters) }) },
      ]);
    expect(decodeAwarenessUpdate(large(MAX_AWARENESS_STATE_BYTES - 8)).ok).toBe(true);
    expect(decodeAwarenessUpdate(large(MAX_AWARENESS_STATE_BYTES)).ok).toBe(false);
  });
});
