import { afterEach, describe, expect, it } from '@jest/globals';
import { createAccessControl } from '../../../lib/gateway/access-control.ts';
import type { AccessControl } from '../../../lib/gateway/port.ts';
import { loadConfig, type Config } from '../../../lib/config.ts';
import { PointingPerson } from '../../support/pointing-person.ts';
import { waitFor } from '../../support/wait.ts';
import { cleanUp, onCleanUp, openLog, startGateway } from './harness.ts';
import { ForwardClock } from './steered-clock.ts';

afterEach(cleanUp);

/** People by their token. */
const byToken: AccessControl = {
  identify: async (auth) => {
    const { token } = auth as { token: string };
    return { ok: true, identity: { tenantId: 't', userId: token } };
  },
  mayUse: () => ({ read: true, write: true }),
};

const TIMEOUT_MS = 15_000;
const BEATS = { beatIntervalMs: 80, beatTimeoutMs: TIMEOUT_MS };
const CONFIG = { ...BEATS, drainClientsPerSecond: 100, drainRetryMs: 40 };

async function setUp(access: AccessControl = byToken, config: Partial<Config> = {}) {
  const log = await openLog();
  const [clock, stayingClock] = [new ForwardClock(), new ForwardClock()];
  const leaving = await startGateway(log, { config: { ...CONFIG, ...config }, access, clock });
  const staying = await startGateway(log, { config: BEATS, access, clock: stayingClock });
  const add = (name: string, url: string | readonly string[]) => {
    const person = new PointingPerson({ url, room: 'room', name, getToken: () => name });
    onCleanUp(async () => person.close());
    person.point(7);
    return person;
  };
  return { leaving, staying, clock, stayingClock, add, both: [leaving.url, staying.url] };
}

describe('the people of a gateway that is stopped', () => {
  it('who comes back at another one was never away there, with cursor and client id; who closes the tab, at once', async () => {
    const slow = { drainClientsPerSecond: 1 };
    const { leaving, staying, clock, stayingClock, add, both } = await setUp(byToken, slow);
    const watcher = add('watcher', staying.url);
    const moving = ['ann', 'bob', 'cleo', 'dan', 'eve'].map((name) => add(name, both));
    await watcher.sees(...moving, watcher);
    const gone = add('gone', both);
    await watcher.sees(gone);
    watcher.forgetTold();
    // The last one to be moved, who closes the tab before that.
    const drained = leaving.gateway.drain();
    gone.close();
    await waitFor(() => watcher.told.includes('-gone'), { what: 'the closed tab' });
    clock.forward(TIMEOUT_MS / 2);
    await drained;
    await leaving.stop();
    const isBack = ({ isConnected, url, manager }: PointingPerson) =>
      isConnected && url === staying.url && manager.presence.self !== undefined;
    await waitFor(() => moving.every(isBack), { what: 'all have come back' });
    for (const { name } of moving)
      await waitFor(() => watcher.connectionsOf(name) === 1, { what: `${name} stands there once` });
    // The gateway is believed dead, which takes nobody with it.
    const silentAt = stayingClock.now() + TIMEOUT_MS + 3_000;
    await stayingClock.hastenUntil(() => stayingClock.now() > silentAt, 'the time-out is over');
    expect(watcher.told.sort()).toEqual([`-#${gone.awareness.clientID}`, '-gone']);
    await watcher.sees(...moving);
    for (const person of moving) person.close();
    await waitFor(() => moving.every(({ name }) => watcher.told.includes(`-${name}`)));
    await waitFor(() => watcher.awareness.getStates().size === 1);
  });

  it('who does not come back has left when the gateway was silent for the time-out, once', async () => {
    const { leaving, staying, stayingClock, add } = await setUp();
    const watcher = add('watcher', staying.url);
    const [lost, stays] = [add('lost', leaving.url), add('stays', staying.url)];
    await watcher.sees(lost, stays);
    watcher.forgetTold();
    await leaving.gateway.drain();
    const movedAt = stayingClock.now();
    await leaving.stop();
    // Nobody is waited for.
    expect(stayingClock.now() - movedAt).toBeLessThan(6_000);
    await stayingClock.hastenUntil(() => watcher.told.length === 2, 'leaves');
    // It was last heard some time before, on a busy machine seconds.
    expect(stayingClock.now() - movedAt).toBeGreaterThan(TIMEOUT_MS - 5_000);
    expect(watcher.told.sort()).toEqual([`-#${lost.awareness.clientID}`, '-lost']);
  });

  it('who has not come back in time has left, also while the gateway goes on moving others, which see it too', async () => {
    // The second one long after the first has had its time to come back.
    const slow = { drainClientsPerSecond: 10 / TIMEOUT_MS, drainLimitMs: 1_000 * TIMEOUT_MS };
    const { leaving, staying, clock, add, both } = await setUp(byToken, slow);
    const watcher = add('watcher', staying.url);
    const lost = add('lost', leaving.url);
    await watcher.sees(lost);
    const late = add('late', both);
    await late.sees(lost, watcher);
    await watcher.sees(late);
    for (const each of [watcher, late]) each.forgetTold();
    const drained = leaving.gateway.drain();
    clock.forward(2 * TIMEOUT_MS);
    const left = [`-#${lost.awareness.clientID}`, '-lost'];
    for (const { told, name } of [watcher, late])
      await waitFor(() => left.every((what) => told.includes(what)), { what: `${name} is told` });
    for (const { told } of [watcher, late]) expect(told.sort()).toEqual(left);
    expect(late.connects).toBe(1);
    clock.forward(100 * TIMEOUT_MS);
    await drained;
    await waitFor(() => late.connects === 2, { what: 'the second one is moved' });
  });

  it('without accounts who comes back is somebody else; the client id stays', async () => {
    const { leaving, staying, add, both } = await setUp(createAccessControl(loadConfig({})));
    const [watcher, moving] = [add('watcher', staying.url), add('moving', both)];
    await watcher.sees(moving);
    watcher.forgetTold();
    const before = moving.manager.presence.self!;
    await leaving.gateway.drain();
    await leaving.stop();
    await waitFor(() => moving.connects === 2 && watcher.cursorOf(moving) !== undefined);
    const again = moving.manager.presence.self!;
    const told = () => watcher.told.filter((what) => !what.startsWith('?'));
    await waitFor(() => told().length >= 2);
    // The one by the log, the other at this gateway: in whatever order.
    expect(told().sort()).toEqual([`+${again}`, `-${before}`]);
    await watcher.sees(moving);
  });
});
