import { expect } from '@jest/globals';
import type { PresenceClients } from '../../lib/protocol/index.ts';
import { BEAT_MS, ROOM, TIMEOUT_MS, waitMs, type PresenceCheck } from './presence-gateway.ts';

/** What a client is asked to wait before it connects elsewhere, and more. */
const RETRY_MS = 150;

const ids = (...clientIds: number[]): PresenceClients[] => [{ docId: 'doc', clientIds }];

/** What every adapter must do when a gateway is stopped in order. */
export const moveChecks: Record<string, PresenceCheck> = {
  'who is moved and comes back elsewhere was never away, goes on with what it showed, and leaves at once then':
    async (open) => {
      const [a, b, c] = [await open(), await open(), await open()];
      b.enter('bob');
      c.enter('cleo');
      // The lost one stays until the gateway is believed dead.
      const [ann, dan, lost] = [a.enter('ann'), a.enter('dan'), a.enter('lost')];
      a.announce('ann', ann, ids(1));
      a.move(ann, 5);
      a.move(dan, 6);
      for (const gateway of [b, c]) {
        await gateway.shows('ann', 5);
        await gateway.shows('dan', 6);
      }
      for (const connection of [ann, dan, lost]) a.sendAway(connection);
      await a.stop();
      await waitMs(RETRY_MS);
      const [annAgain, danAgain] = [b.enter('ann'), c.enter('dan')];
      b.announce('ann', annAgain, ids(1));
      for (const gateway of [b, c]) {
        await gateway.reaches('ann', '1 doc:1');
        await gateway.reaches('dan', '1');
        await gateway.shows('ann', 5);
        await gateway.shows('dan', 6);
      }
      b.move(annAgain, 7);
      c.move(danAgain, 8);
      await c.shows('ann', 7);
      await b.shows('dan', 8);
      b.leave(annAgain);
      c.leave(danAgain);
      const counts = ['+ann', '-ann', '+dan', '-dan', '-lost'];
      for (const gateway of [b, c]) {
        await gateway.isTold('-ann', '-dan');
        expect(counts.map((what) => gateway.count(what))).toEqual([1, 1, 1, 1, 0]);
      }
    },

  'who is moved and does not come back leaves when the gateway has been silent for the time-out; who goes, at once':
    async (open) => {
      const [a, b] = [await open(), await open()];
      b.enter('bob');
      const [ann, gone] = [a.enter('ann'), a.enter('gone')];
      await b.isTold('+ann', '+gone');
      a.sendAway(ann);
      const movedAt = performance.now();
      a.leave(gone);
      await a.stop();
      await b.isTold('-gone');
      expect(b.count('-ann')).toBe(0);
      await b.isTold('-ann');
      expect(performance.now() - movedAt).toBeGreaterThan(TIMEOUT_MS - 2 * BEAT_MS);
      expect(b.users()).toEqual(['bob']);
    },

  'a gateway that takes long to stop says itself who has not come back in time, and does not hold those who have':
    async (open) => {
      const [a, b] = [await open(), await open()];
      b.enter('bob');
      const [ann, dan] = [a.enter('ann'), a.enter('dan')];
      await b.isTold('+ann', '+dan');
      await a.isTold('+bob');
      for (const connection of [ann, dan]) a.sendAway(connection);
      const movedAt = performance.now();
      await waitMs(RETRY_MS);
      b.enter('dan');
      for (const gateway of [a, b]) await gateway.reaches('dan', '1');
      await b.isTold('-ann');
      expect(performance.now() - movedAt).toBeGreaterThan(TIMEOUT_MS - 2 * BEAT_MS);
      expect(b.users()).toEqual(['bob', 'dan']);
      expect([b.count('-dan'), b.count('+dan'), a.users().length]).toEqual([0, 1, 0]);
    },

  'two tabs, of which one is moved twice in a row, are one person all the time': async (open) => {
    const [a, b, c, d] = [await open(), await open(), await open(), await open()];
    d.enter('watcher');
    const [first, second, lost] = [a.enter('ann'), d.enter('ann'), b.enter('lost')];
    a.announce('ann', first, ids(1));
    d.announce('ann', second, ids(2));
    await d.reaches('ann', '2 doc:1,2');
    a.sendAway(first);
    await a.stop();
    const again = b.enter('ann');
    b.announce('ann', again, ids(1));
    await d.reaches('ann', '2 doc:1,2');
    for (const connection of [again, lost]) b.sendAway(connection);
    await b.stop();
    const third = c.enter('ann');
    c.announce('ann', third, ids(1));
    c.move(third, 1);
    await d.shows('ann', 1);
    await d.reaches('ann', '2 doc:1,2');
    c.leave(third);
    await d.reaches('ann', '1 doc:2');
    expect(d.count('-lost')).toBe(0);
    expect(d.told.filter((told) => /^[+-]ann$/.test(told))).toEqual(['+ann']);
  },

  'who comes to a gateway that is being left sees those who are on their way': async (open) => {
    const [a, b] = [await open(), await open()];
    const [ann, dan] = [a.enter('ann'), a.enter('dan')];
    a.sendAway(ann);
    a.sendAway(dan);
    b.enter('ann');
    await b.sees('ann', 'dan');
    await b.reaches('ann', '1');
    expect(b.node.presence.people(ROOM)).toHaveLength(2);
  },
};
