import { afterEach, describe, expect, it } from '@jest/globals';
import { systemClock, type Clock } from '../../../lib/clock.ts';
import { AccessEnforcement } from '../../../lib/gateway/access-enforcement.ts';
import type { ClientSession } from '../../../lib/gateway/client-session.ts';
import type { Subscription } from '../../../lib/gateway/hosted-document.ts';
import { RoomRoles } from '../../../lib/gateway/room-roles.ts';
import { encodePulse } from '../../../lib/lifecycle/access-record.ts';
import { silentLogger } from '../../../lib/log.ts';
import { waitFor } from '../../support/wait.ts';
import { FaultyStream } from './faulty-stream.ts';
import { cleanUp, openLog } from './harness.ts';
import { ManualClock } from './manual-clock.ts';
import { RawClient } from './raw-client.ts';
import { A, announce, codes, connect, Deciders, startWith, TENANT } from './rights-world.ts';

const CHECK_MS = 500;
const UNREAD_MS = 30_000;

/** What is open of one person's connection, as the enforcement sees it. */
function open() {
  const clock = new ManualClock();
  const deciders = new Deciders();
  deciders.give('ed', 'editor');
  const roles = new RoomRoles({ clock, ttlMs: 300_000, lookUp: deciders.lookUp });
  const address = { ...A };
  const subscription = {
    document: { id: { tenantId: TENANT, ...A }, address },
    access: { read: true, write: true },
  } as unknown as Subscription;
  const told: string[] = [];
  const subscriptions = new Map([['a', subscription]]);
  const session = {
    identity: { userId: 'ed' },
    subscriptions,
    nack: (code: string) => told.push(code),
    refused: { add: () => undefined },
  } as unknown as ClientSession;
  const enforcement = new AccessEnforcement({
    clock,
    logger: silentLogger,
    roles,
    sessions: new Set([session]),
    joins: { end: () => subscriptions.clear() },
    append: () => Promise.resolve(),
    id: 'own',
    ttlMs: 300_000,
    graceMs: 900_000,
  });
  const read = () => enforcement.onRecord(encodePulse('own'));
  /** The time passes as in a gateway. */
  const pass = async (ms: number) => {
    for (let left = ms; left > 0; left -= CHECK_MS) {
      clock.advance(Math.min(left, CHECK_MS));
      enforcement.check();
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { deciders, roles, subscription, enforcement, told, read, pass };
}

async function opened() {
  const world = open();
  world.read();
  await world.roles.ask('ed', A.roomId);
  return world;
}

describe('while the control topic is not read', () => {
  it('a right to write that is remembered holds for 30 s, and then only when somebody can be asked', async () => {
    const { deciders, subscription, enforcement, pass, told } = await opened();
    deciders.isAway = true;
    await pass(UNREAD_MS - 1);
    expect([enforcement.isReading, subscription.access.write, deciders.asked]).toEqual([true, true, 1]);
    await pass(1);
    expect([enforcement.isReading, subscription.access]).toEqual([false, { read: true, write: 'unknown' }]);
    await pass(20_000);
    expect([subscription.access.write, told]).toEqual(['unknown', []]);
    deciders.isAway = false;
    await pass(CHECK_MS);
    expect([enforcement.isReading, subscription.access.write, told]).toEqual([false, true, []]);
  });

  it('who can be asked about goes on, and is asked about every few seconds', async () => {
    const { deciders, subscription, enforcement, pass, told } = await opened();
    await pass(UNREAD_MS);
    const { asked } = deciders;
    for (let n = 0; n < 60; n++) {
      await pass(CHECK_MS);
      expect(subscription.access.write).toBe(true);
    }
    expect([enforcement.isReading, told]).toEqual([false, []]);
    expect(deciders.asked - asked).toBeGreaterThanOrEqual(5);
    expect(deciders.asked - asked).toBeLessThanOrEqual(7);
  });

  it('who was demoted unheard is told when she is asked about, also when she was not for a while', async () => {
    for (const isAwayFirst of [false, true]) {
      const { deciders, pass, told } = await opened();
      deciders.isAway = isAwayFirst;
      await pass(UNREAD_MS + 1_000);
      deciders.give('ed', 'viewer');
      deciders.isAway = false;
      await pass(5_500);
      expect(told).toEqual(['ACCESS_CHANGED']);
    }
  });

  it('when it is read again before somebody could be asked, the right is back with the first answer', async () => {
    const { deciders, subscription, enforcement, pass, read } = await opened();
    deciders.isAway = true;
    await pass(UNREAD_MS + 10_000);
    expect(subscription.access.write).toBe('unknown');
    read();
    await pass(2_000);
    expect([enforcement.isReading, subscription.access.write]).toEqual([true, 'unknown']);
    deciders.isAway = false;
    await pass(CHECK_MS);
    expect(subscription.access.write).toBe(true);
    const { asked } = deciders;
    await pass(10_000);
    expect(deciders.asked).toBe(asked);
  });
});

describe('a gateway whose follow of the control topic is held back', () => {
  afterEach(cleanUp);

  const unavailable = { code: 'UNAVAILABLE', permanent: false };

  /** What the handshake is answered with. */
  async function answerOf(url: string): Promise<unknown> {
    const { socket } = new RawClient(url, { auth: { token: 'ed' } });
    return new Promise((resolve) => {
      socket.on('connect', () => resolve('connected'));
      socket.on('connect_error', (error: Error & { data?: unknown }) => resolve(error.data));
    });
  }

  it('lets nobody in before it is read: what was changed meanwhile counts for the first who comes', async () => {
    const log = await openLog();
    const deciders = new Deciders();
    deciders.give('ed', 'editor');
    const faults = new FaultyStream(log.stream);
    faults.hold(log.topics.controlTopic);
    const { url, gateway } = await startWith(log, deciders, { stream: faults.port, isReading: false });
    expect(await answerOf(url)).toMatchObject(unavailable);
    expect(gateway.canServe).toBe(false);
    await announce(log, { sessionId: 'session-of-ed' });
    faults.release();
    await waitFor(() => gateway.hearsOfRights);
    expect(await answerOf(url)).toMatchObject({ code: 'UNAUTHENTICATED', permanent: true });
    await connect(url, 'x');
  });

  it('takes no updates by what it remembers, keeps connections and documents open, and goes on by an answer', async () => {
    const log = await openLog();
    const deciders = new Deciders();
    deciders.give('ed', 'editor');
    const faults = new FaultyStream(log.stream);
    let laterMs = 0;
    const clock: Clock = { ...systemClock, now: () => systemClock.now() + laterMs };
    const { url, gateway } = await startWith(log, deciders, { stream: faults.port, clock });
    const ed = await connect(url, 'ed');
    await ed.join(A);
    ed.type(A, 'one ');
    await waitFor(() => ed.acks(A).length === 1);
    deciders.isAway = true;
    faults.hold(log.topics.controlTopic);
    laterMs += UNREAD_MS;
    await waitFor(() => !gateway.hearsOfRights);
    expect(await answerOf(url)).toMatchObject(unavailable);
    const { asked } = deciders;
    await waitFor(() => deciders.asked > asked, { what: 'asked about in vain' });
    const updates = ['two ', 'three'].map((text) => ed.edit(A, text));
    const versions = updates.map((update) => ed.send(A, update));
    await waitFor(() => codes(ed).length === 2);
    expect(ed.nacks()).toEqual(
      versions.map((version) => expect.objectContaining({ ...unavailable, version })),
    );
    deciders.isAway = false;
    // Neither is refused for good: they come again with the same versions.
    await waitFor(
      () => {
        const left = versions.findIndex((version) => !ed.isAcked(A, version));
        if (left >= 0) ed.send(A, updates[left]!, { version: versions[left]! });
        return left < 0;
      },
      { intervalMs: 100, timeoutMs: 20_000 },
    );
    expect([gateway.hearsOfRights, ed.socket.connected]).toEqual([false, true]);
    expect(ed.nacks().every(({ code }) => code === 'UNAVAILABLE')).toBe(true);
    faults.release();
    await waitFor(() => gateway.hearsOfRights, { what: 'control is read again' });
    await connect(url, 'ed');
  });
});
