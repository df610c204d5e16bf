import { describe, expect, it } from '@jest/globals';
import {
  decodePresenceMessage,
  encodePresenceMessage,
  numberOfMessage,
} from '../../../lib/presence/messages.ts';

describe('what gateways tell each other of people', () => {
  it('is read as it was written', () => {
    const message = {
      n: 1_234_567,
      p: 12,
      all: true as const,
      in: [
        { connectionId: 'c', userId: 'u', user: { name: 'Ann' } },
        {
          ...{ connectionId: 'e', userId: 'u', user: {}, moving: true as const },
          clients: [
            { docId: 'd', clientIds: [1, 2] },
            { docId: 'd', subdocId: 's', clientIds: [1] },
          ],
        },
      ],
      out: [],
      at: [{ userId: 'u', lastSeen: 5, cursor: { x: 1, y: 2 }, selection: ['s'], viewport: null }],
    };
    expect(decodePresenceMessage(encodePresenceMessage(message))).toEqual(message);
  });

  it('is not read with client ids that are none', () => {
    const bad = [[{ docId: 'd' }], [{ docId: 1, clientIds: [] }], [{ docId: 'd', clientIds: ['1'] }], 'all'];
    for (const clients of bad) {
      const text = JSON.stringify({
        n: 1,
        p: 0,
        in: [{ connectionId: 'c', userId: 'u', user: {}, clients }],
      });
      expect(decodePresenceMessage(new TextEncoder().encode(text))).toBeUndefined();
    }
  });

  it('the number alone is that of the whole message', () => {
    for (const n of [1, 9, 10, 98_765_432_101, Number.MAX_SAFE_INTEGER])
      expect(numberOfMessage(encodePresenceMessage({ n, p: 3, at: [] }))).toBe(n);
    for (const text of ['', '{"n":', '{"n":x}', `{"n":${'9'.repeat(40)}`])
      expect(numberOfMessage(new TextEncoder().encode(text))).toBe(0);
  });
});
