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
});
