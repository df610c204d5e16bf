import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createClient } from 'redis';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import type { OnRoomChange } from '../../lib/presence/port.ts';
import { RedisPresenceBus } from '../../lib/presence/redis.ts';
import { RedisPresenceReader } from '../../lib/presence/redis-reader.ts';
import { SharedPresence } from '../../lib/presence/shared-presence.ts';
import { startRedis, type RunningRedis } from '../../scripts/dev/redis.ts';
import { BEAT_MS, TIMEOUT_MS, type PresenceNode } from '../contract/presence-gateway.ts';
import { presenceChecks, runPresenceCheck } from '../contract/presence.suite.ts';
import { readerChecks, runReaderCheck, type ReaderMedium } from '../contract/presence-reader.suite.ts';
import { waitFor } from '../support/wait.ts';

const EXPIRE_MS = 60_000;

let redis: RunningRedis;
let reader: ReturnType<typeof createClient>;

function openNode(
  onChange: OnRoomChange,
  { expireMs = EXPIRE_MS, beatTimeoutMs = TIMEOUT_MS } = {},
): PresenceNode {
  const gatewayId = randomBytes(8).toString('hex');
  const shared = { clock: systemClock, logger: silentLogger, gatewayId, beatTimeoutMs };
  let bus: RedisPresenceBus | undefined;
  const presence = new SharedPresence({
    ...shared,
    onChange,
    openBus: (events) =>
      (bus = new RedisPresenceBus({ ...shared, url: redis.url, defaultTenant: 't', expireMs, events })),
  });
  let isDead = false;
  const kill = () => {
    if (!isDead) void bus?.stop();
    isDead = true;
  };
  const stop = presence.stop.bind(presence);
  presence.stop = async () => (isDead ? undefined : stop());
  return { presence, kill };
}

const medium: ReaderMedium = {
  open: async (onChange, beatTimeoutMs) => openNode(onChange, { beatTimeoutMs }),
  openReader: async () => {
    const reader = new RedisPresenceReader({
      ...{ clock: systemClock, logger: silentLogger, beatIntervalMs: BEAT_MS, beatTimeoutMs: TIMEOUT_MS },
      url: redis.url,
      id: randomBytes(8).toString('hex'),
      defaultTenant: 't',
    });
    await waitFor(async () => (await reader.count([]).catch(() => undefined)) !== undefined);
    return reader;
  },
  outage: async (forMs) => {
    redis.signal('SIGSTOP');
    const until = performance.now() + forMs;
    await waitFor(() => performance.now() >= until, { what: 'the end of the outage' });
    redis.signal('SIGCONT');
  },
  touch: () => reader.ping(),
  forget: () => reader.flushAll(),
};

const opened: PresenceNode[] = [];
const open = (expireMs?: number) => {
  const node = openNode(() => undefined, { expireMs });
  opened.push(node);
  return node;
};

beforeAll(async () => {
  redis = await startRedis();
  reader = createClient({ url: redis.url });
  await reader.connect();
});
beforeEach(async () => void (await reader.flushAll()));
afterEach(async () => {
  for (const { presence } of opened.splice(0)) await presence.stop();
});
afterAll(async () => {
  reader?.destroy();
  await redis?.stop();
});

describe('presence in Redis', () => {
  it.each(Object.entries(presenceChecks))('%s', (_name, check) => runPresenceCheck(check, medium));

  it('keeps people and connections where others can read them, by tenant, and forgets them', async () => {
    const { presence } = open();
    const room = { tenantId: 't', roomId: 'r' };
    presence.enter(room, { connectionId: 'one', userId: 'ann', user: {} });
    presence.enter(room, { connectionId: 'two', userId: 'ann', user: {} });
    presence.enter({ ...room, tenantId: 'a b' }, { connectionId: 'three', userId: 'bob', user: {} });
    presence.update(room, 'one', { selection: ['s'] });
    await waitFor(async () => (await reader.sMembers('a%20b:board:r:connections')).join() === 'three');
    const connections = () => reader.sMembers('board:r:connections');
    expect((await connections()).sort()).toEqual(['one', 'two']);
    const stateOf = async () => {
      const text = (await reader.hGet('board:r:presence', 'ann')) ?? '';
      return text === '' ? undefined : (JSON.parse(text) as unknown);
    };
    await waitFor(async () => JSON.stringify(await stateOf()).includes('"s"'), { what: 'what is shown' });
    expect(await stateOf()).toEqual({
      cursor: null,
      selection: ['s'],
      viewport: null,
      lastSeen: expect.any(Number),
    });
    expect(await reader.pTTL('board:r:presence')).toBeGreaterThan(0);
    presence.leave(room, 'one');
    await waitFor(async () => (await connections()).join() === 'two');
    expect(await stateOf()).toBeDefined();
    presence.leave(room, 'two');
    await waitFor(async () => (await reader.keys('board:*')).length === 0, { what: 'nothing left' });
  });

  it('the people of a dead gateway are taken out by a survivor; with nobody left they expire', async () => {
    const [a, b] = [open(400), open(400)];
    const room = { tenantId: 't', roomId: 'r' };
    const timer = setInterval(() => [a, b].forEach(({ presence }) => presence.beat()), 60);
    a.presence.enter(room, { connectionId: 'one', userId: 'ann', user: {} });
    b.presence.enter(room, { connectionId: 'two', userId: 'bob', user: {} });
    const users = async () => (await reader.hKeys('board:r:presence')).sort().join();
    await waitFor(() => a.presence.people(room).length === 2 && b.presence.people(room).length === 2);
    a.kill();
    await waitFor(async () => (await users()) === 'bob', { what: 'only those who live' });
    clearInterval(timer);
    b.kill();
    await waitFor(async () => (await reader.keys('board:*')).length === 0, { what: 'nothing left' });
  });

  it('a connection that has come back elsewhere is taken out by the gateway it came to, with nothing it shows', async () => {
    const [a, b] = [open(), open()];
    const room = { tenantId: 't', roomId: 'r' };
    const clients = [{ docId: 'd', clientIds: [1] }];
    b.presence.enter(room, { connectionId: 'watch', userId: 'bob', user: {} });
    a.presence.enter(room, { connectionId: 'old', userId: 'ann', user: {}, clients });
    a.presence.update(room, 'old', { selection: ['s'] });
    await waitFor(() => b.presence.people(room).some(({ selection }) => selection.join() === 's'));
    a.presence.move(room, 'old');
    await a.presence.stop();
    const connections = async () => (await reader.sMembers('board:r:connections')).sort().join();
    expect(await connections()).toBe('old,watch');
    b.presence.enter(room, { connectionId: 'new', userId: 'ann', user: {}, clients });
    await waitFor(async () => (await connections()) === 'new,watch', { what: 'the old one gone' });
    expect(JSON.parse((await reader.hGet('board:r:presence', 'ann'))!)).toMatchObject({ selection: ['s'] });
  });

  it('what was left over of a gateway is taken out by the next one that says all it has', async () => {
    const room = { tenantId: 't', roomId: 'r' };
    const [a, b] = [open(), open()];
    a.presence.enter(room, { connectionId: 'dead', userId: 'ann', user: {} });
    await waitFor(async () => (await reader.sMembers('board:r:connections')).join() === 'dead');
    a.kill();
    b.presence.enter({ ...room, roomId: 'other' }, { connectionId: 'watch', userId: 'bob', user: {} });
    const timer = setInterval(() => b.presence.beat(), 60);
    b.presence.enter(room, { connectionId: 'alive', userId: 'bob', user: {} });
    // Of the own ones, what was lost on the way.
    const lost = JSON.parse((await reader.hGet('board:r:users', 'dead'))!) as { gateway: string };
    await waitFor(async () => (await reader.hGet('board:r:users', 'alive')) !== null);
    const own = JSON.parse((await reader.hGet('board:r:users', 'alive'))!) as { gateway: string };
    expect(own.gateway).not.toBe(lost.gateway);
    // First what is to go with it: the next time that all is said may come at once.
    await reader.hSet('board:r:presence', 'eve', '{}');
    await reader.hSet('board:r:users', 'lost', JSON.stringify({ ...own, userId: 'eve', user: {} }));
    await waitFor(async () => (await reader.hKeys('board:r:users')).join() === 'alive', { what: 'one left' });
    expect(await reader.hKeys('board:r:presence')).toEqual(['bob']);
    expect(await reader.sMembers('board:r:connections')).toEqual(['alive']);
    clearInterval(timer);
  });
});

describe('who is there, read in Redis', () => {
  it.each(Object.entries(readerChecks))('%s', (_name, check) => runReaderCheck(check, medium));
});
