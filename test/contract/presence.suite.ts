import { expect } from '@jest/globals';
import { BEATS_BETWEEN_ALL } from '../../lib/presence/shared-presence.ts';
import {
  BEAT_MS,
  Gateway,
  ROOM,
  TIMEOUT_MS,
  unlessStalled,
  waitMs,
  type PresenceCheck,
  type PresenceMedium,
} from './presence-gateway.ts';
import { moveChecks } from './presence-moves.suite.ts';

/** What every adapter must do. */
export const presenceChecks: Record<string, PresenceCheck> = {
  'two connections of a person are one: the first joins, the last leaves, wherever they are': async (
    open,
  ) => {
    const [a, b] = [await open(), await open()];
    const watcher = b.enter('watcher');
    const first = a.enter('ann');
    await b.isTold('+ann');
    const second = b.enter('ann');
    await a.isTold('+watcher');
    a.leave(first);
    b.move(watcher, 1);
    await b.isTold('watcher:1');
    await b.sees('ann', 'watcher');
    expect(b.count('-ann')).toBe(0);
    b.leave(second);
    await b.isTold('-ann');
    expect([b.count('+ann'), b.count('-ann'), a.count('+ann')]).toEqual([1, 1, 1]);
  },

  'who comes to a gateway sees everybody that others have, with what they show': async (open) => {
    const [a, b] = [await open(), await open()];
    a.move(a.enter('ann'), 5);
    a.enter('bob');
    await a.isTold('+ann', '+bob');
    b.enter('cleo');
    await b.sees('ann', 'bob', 'cleo');
    await b.shows('ann', 5);
    const seen = b.node.presence.people(ROOM).find(({ userId }) => userId === 'ann');
    expect(seen).toMatchObject({
      user: { name: 'ann' },
      cursor: { x: 5, y: 0 },
      selection: [],
      viewport: null,
    });
    await a.isTold('+cleo');
  },

  'the latest wins, and what does not change stays': async (open) => {
    const [a, b] = [await open(), await open()];
    b.enter('bob');
    const ann = a.enter('ann');
    await b.isTold('+ann');
    a.node.presence.update(ROOM, ann, { selection: ['s'], viewport: { x: 1, y: 2, zoom: 3 } });
    for (let x = 1; x <= 9; x++) a.move(ann, x);
    await b.isTold('ann:9');
    expect(b.node.presence.people(ROOM).find(({ userId }) => userId === 'ann')).toMatchObject({
      cursor: { x: 9, y: 0 },
      selection: ['s'],
      viewport: { x: 1, y: 2, zoom: 3 },
    });
    // Nine moves of one tick are told as one.
    expect(b.told.filter((told) => told.startsWith('ann:'))).toEqual(['ann:9']);
    a.node.presence.update(ROOM, 'not entered', { selection: [] });
    a.leave('not entered');
    a.enter('ann', ann);
    b.enter('cleo');
    await a.isTold('+cleo');
    expect(a.told.filter((told) => told === '+ann' || told === '-ann')).toEqual(['+ann']);
  },

  'a gateway that dies is noticed: each of its people leaves once': async (open) => {
    const [a, b, c] = [await open(), await open(), await open()];
    b.enter('bob');
    c.enter('bob');
    for (const user of ['ann', 'bob', 'cleo']) a.enter(user);
    await b.isTold('+ann', '+cleo');
    await c.isTold('+ann', '+cleo');
    a.kill();
    const killedAt = performance.now();
    for (const survivor of [b, c]) {
      await survivor.isTold('-ann', '-cleo');
      expect(['-ann', '-bob', '-cleo'].map((what) => survivor.count(what))).toEqual([1, 0, 1]);
      expect(survivor.users()).toEqual(['bob']);
    }
    // Not before it is silent for the time-out.
    expect(performance.now() - killedAt).toBeGreaterThan(TIMEOUT_MS - 2 * BEAT_MS);
  },

  'while nobody is heard nobody is believed dead; afterwards all is as it is': async (open, medium) => {
    const a = await open();
    // They beat by turns: one of them is missed first.
    await waitMs(BEAT_MS / 2);
    const b = await open();
    a.enter('ann');
    const gone = a.enter('gone');
    b.enter('bob');
    await b.isTold('+ann', '+gone');
    // The last that is heard are beats.
    await waitMs(3 * BEAT_MS);
    const outage = medium.outage(3 * TIMEOUT_MS);
    a.leave(gone);
    a.enter('cleo');
    await outage;
    await b.isTold('-gone', '+cleo');
    await a.sees('ann', 'bob', 'cleo');
    await b.sees('ann', 'bob', 'cleo');
    expect([a.count('-bob'), b.count('-ann'), b.count('+ann'), a.count('+bob')]).toEqual([0, 0, 1, 1]);
  },

  'client ids and connections of a person are known everywhere, told when they change, and go with a gateway':
    async (open) => {
      const [a, b] = [await open(), await open()];
      b.enter('bob');
      const [first, second] = [a.enter('ann'), b.enter('ann')];
      await a.isTold('+bob');
      await a.reaches('ann', '2');
      a.announce('ann', first, [{ docId: 'doc', clientIds: [1] }]);
      b.announce('ann', second, [
        { docId: 'doc', clientIds: [2] },
        { docId: 'doc', subdocId: 'sub', clientIds: [1] },
      ]);
      for (const gateway of [a, b]) await gateway.isTold('ann=2 doc/sub:1 doc:1,2');
      // Who comes later gets them with the people; what is said again is no news.
      const c = await open();
      c.enter('cleo');
      await c.reaches('ann', '2 doc/sub:1 doc:1,2');
      const before = a.told.length;
      a.announce('ann', first, [{ docId: 'doc', clientIds: [1] }]);
      await waitMs((BEATS_BETWEEN_ALL + 3) * BEAT_MS);
      expect(a.told.slice(before).filter((told) => told.startsWith('ann='))).toEqual([]);
      b.announce('ann', second, []);
      for (const gateway of [a, b, c]) await gateway.reaches('ann', '2 doc:1');
      a.kill();
      for (const gateway of [b, c]) await gateway.isTold('ann=1');
      expect([b.count('-ann'), c.count('-ann'), b.count('+ann')]).toEqual([0, 0, 1]);
    },

  'rooms of one name in two tenants do not meet': async (open) => {
    const [a, b] = [await open(), await open()];
    b.enter('bob');
    a.enter('other', 'other', { tenantId: 'board', roomId: 'r' });
    a.enter('ann');
    await b.isTold('+ann');
    await a.isTold('+other@board', '+bob');
    expect([b.users(), b.count('+other@board')]).toEqual([['ann', 'bob'], 0]);
  },

  'everything said again, in however many parts, makes nobody leave': async (open) => {
    const [a, b] = [await open(), await open()];
    b.enter('bob');
    const ids = Array.from({ length: 200 }, (_, index) => `user ${index}`);
    const connections = ids.map((id) => a.enter(id));
    for (const connection of connections) a.move(connection, 1);
    await b.isTold('+user 199');
    await waitMs((BEATS_BETWEEN_ALL + 3) * BEAT_MS);
    a.leave(connections[0]!);
    await b.isTold('-user 0');
    expect(b.told.filter((told) => told.startsWith('-'))).toEqual(['-user 0']);
    expect(b.told.filter((told) => told.startsWith('+user'))).toHaveLength(200);
  },

  'a gateway that stops takes its people with it at once': async (open) => {
    // Nobody is taken for dead in this time: its people go by what it says at its end.
    const beatTimeoutMs = 10 * 60_000;
    const [a, b] = [await open(beatTimeoutMs), await open(beatTimeoutMs)];
    b.enter('bob');
    a.enter('ann');
    await b.isTold('+ann');
    await a.stop();
    await b.isTold('-ann');
    expect(b.told.filter((told) => told.startsWith('-'))).toEqual(['-ann']);
  },

  ...moveChecks,
};

/** Runs a check and ends the gateways it has opened. */
export function runPresenceCheck(check: PresenceCheck, medium: PresenceMedium): Promise<void> {
  return unlessStalled(() => runOnce(check, medium), medium);
}

async function runOnce(check: PresenceCheck, medium: PresenceMedium): Promise<void> {
  const opened: Gateway[] = [];
  const open = async (beatTimeoutMs?: number) => {
    const gateway = await Gateway.open(medium, beatTimeoutMs);
    opened.push(gateway);
    return gateway;
  };
  try {
    await check(open, medium);
  } finally {
    for (const gateway of opened) await gateway.stop();
  }
}
