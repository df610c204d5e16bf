import { describe, expect, it } from '@jest/globals';
import { MAX_SELECTION, MAX_SELECTION_LENGTH, readPresenceUpdate } from '../../../lib/protocol/index.ts';
import { RoomPresence } from '../../../lib/provider/presence.ts';
import type { PresenceMessage } from '../../../lib/provider/transport.ts';
import { SimulatedEnvironment } from './simulated-environment.ts';

describe('what is shown of the own person', () => {
  it.each([
    ['12,000 ids', Array.from({ length: 12_000 }, (_, n) => `object-${n}`), MAX_SELECTION],
    ['some long ids', Array<string>(60).fill('x'.repeat(100)), Math.floor(MAX_SELECTION_LENGTH / 100)],
    ['few', ['a', 'b'], 2],
  ])(
    'is of a selection of %s as much as a server takes: more would close the connection',
    (_, ids, taken) => {
      const sent: PresenceMessage[] = [];
      const presence = new RoomPresence({
        roomId: 'room',
        environment: new SimulatedEnvironment(1),
        send: (message) => sent.push(message),
      });
      const users = [{ userId: 'ann', cursor: null, selection: [], viewport: null }];
      const content = { roomId: 'room', all: true, self: 'ann', users };
      presence.receive({ event: 'presence:sync', content });
      presence.update({ selection: ids });
      expect(sent).toEqual([
        { event: 'presence:update', content: { roomId: 'room', selection: ids.slice(0, taken) } },
      ]);
      expect(readPresenceUpdate(sent[0]!.content).ok).toBe(true);
      presence.destroy();
    },
  );

  it('is shown again when the server has lost it while rights changed, and only then', () => {
    const sent: PresenceMessage[] = [];
    const environment = new SimulatedEnvironment(1);
    const presence = new RoomPresence({ roomId: 'room', environment, send: (message) => sent.push(message) });
    const shows = (state: object, all = true) => {
      const users = [{ userId: 'ann', cursor: null, selection: [], viewport: null, ...state }];
      const content = { roomId: 'room', users, ...(all && { all, self: 'ann' }) };
      presence.receive({ event: 'presence:sync', content });
    };
    const viewport = { x: 1, y: 1, zoom: 2 };
    shows({});
    presence.update({ cursor: { x: 1, y: 0 } });
    presence.viewport(viewport);
    environment.advance(1_000);
    shows({ cursor: { y: 0, x: 1 }, viewport }, false);
    // The next one is lost: the connection was not in the room for a moment.
    presence.update({ cursor: { x: 2, y: 0 } });
    sent.length = 0;
    shows({ cursor: { x: 1, y: 0 }, viewport });
    environment.advance(1_000);
    const again = { event: 'presence:update', content: { roomId: 'room', cursor: { x: 2, y: 0 } } };
    expect(sent).toEqual([again]);
    shows({ cursor: { x: 2, y: 0 }, viewport }, false);
    // What another tab shows later stays.
    shows({ cursor: { x: 3, y: 0 }, viewport });
    environment.advance(1_000);
    expect(sent).toEqual([again]);
    presence.destroy();
  });
});
