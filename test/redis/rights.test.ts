import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ServiceBroker } from 'moleculer';
import { createClient } from 'redis';
import { openRoleCache } from '../../lib/broker/role-cache.ts';
import { systemClock } from '../../lib/clock.ts';
import { loadConfig } from '../../lib/config.ts';
import type { RoleAnswer } from '../../lib/gateway/room-roles.ts';
import { SharedRoles } from '../../lib/gateway/shared-roles.ts';
import { silentLogger } from '../../lib/log.ts';
import { startRedis, type RunningRedis } from '../../scripts/dev/redis.ts';
import { ApiClient } from '../support/api-client.ts';
import { BoardEditor } from '../support/board-editor.ts';
import { startEmbedded, stopServers } from '../support/embedded.ts';
import { AT_ONCE, toldOnly, WHEN_TOLD } from '../support/at-once.ts';
import { Stopwatch } from '../support/stopwatch.ts';
import { waitFor } from '../support/wait.ts';

const TTL_MS = 60_000;

let redis: RunningRedis;
let reader: ReturnType<typeof createClient>;
const brokers: ServiceBroker[] = [];
let role: 'viewer' | 'editor' = 'editor';
let asked = 0;

beforeAll(async () => {
  redis = await startRedis();
  reader = createClient({ url: redis.url });
  await reader.connect();
});
beforeEach(async () => {
  [role, asked] = ['editor', 0];
  await reader.flushAll();
});
afterEach(async () => {
  redis.signal('SIGCONT');
  for (const broker of brokers.splice(0)) await broker.stop();
});
afterAll(async () => {
  await stopServers();
  reader?.destroy();
  await redis?.stop();
});

/** What a gateway has of the shared answers, connected. */
async function openGateway(): Promise<SharedRoles> {
  const broker = new ServiceBroker({ namespace: 'test', logger: false });
  brokers.push(broker);
  const config = loadConfig({}, { redisUrl: redis.url });
  const cache = openRoleCache(broker, { config, logger: silentLogger });
  await broker.start();
  const lookUp = async (): Promise<RoleAnswer> => {
    asked++;
    return { role, tenantId: 't' };
  };
  await waitFor(
    () =>
      cache.set('probe', 1, 1_000).then(
        () => true,
        () => false,
      ),
    { what: 'Redis' },
  );
  return new SharedRoles({ cache, clock: systemClock, randomId: randomUUID, ttlMs: TTL_MS, lookUp });
}

const ask = async (gateway: SharedRoles) => (await gateway.lookUp('ann', 'board', TTL_MS)).answer?.role;
const stored = async () => (await reader.keys('*role:*')).length;

/** Whether an answer comes to be shared; it is written after it was given. */
const isStored = () =>
  waitFor(async () => (await stored()) === 1, { timeoutMs: 3_000 }).then(
    () => true,
    () => false,
  );

describe('rights shared over Redis, by Moleculer’s cacher', () => {
  it('are asked of the service once for two gateways, and expire', async () => {
    const [a, b] = [await openGateway(), await openGateway()];
    expect(await ask(a)).toBe('editor');
    await waitFor(async () => (await stored()) === 1);
    // A Redis that is slow to answer is not waited for.
    await waitFor(
      async () => {
        const known = asked;
        expect(await ask(b)).toBe('editor');
        return asked === known;
      },
      { what: 'the answer is shared' },
    );
    for (const key of await reader.keys('*board*')) {
      const leftMs = await reader.pTTL(key);
      expect(leftMs).toBeGreaterThan(0);
      expect(leftMs).toBeLessThanOrEqual(2 * TTL_MS);
    }
  });

  it('do not count any more as soon as one gateway has heard of a change', async () => {
    const [a, b] = [await openGateway(), await openGateway()];
    await ask(a);
    await waitFor(async () => (await stored()) === 1);
    role = 'viewer';
    b.changed({ tenantId: 't', roomId: 'board', userId: 'ann' });
    expect(await ask(b)).toBe('viewer');
    await waitFor(async () => (await ask(a)) === 'viewer');
  });

  it('are asked of the service while Redis hangs, in bounded time, and are shared again afterwards', async () => {
    const [a, b] = [await openGateway(), await openGateway()];
    await ask(a);
    await waitFor(async () => (await stored()) === 1);
    redis.signal('SIGSTOP');
    role = 'viewer';
    const took = new Stopwatch();
    a.changed({ roomId: 'board' });
    expect(await ask(a)).toBe('viewer');
    expect(took.stop()).toBeLessThan(AT_ONCE.timeoutMs);
    redis.signal('SIGCONT');
    // It has all that it had: nobody may believe it before the mark has come.
    await waitFor(
      async () => {
        expect(await ask(a)).toBe('viewer');
        return (await ask(b)) === 'viewer';
      },
      { what: 'the change is known to all' },
    );
    await waitFor(
      async () => {
        const known = asked;
        await ask(a);
        await ask(b);
        return asked === known;
      },
      { what: 'the answers are shared again' },
    );
  });

  it('make no difference to who is let in: removed is removed, in a server with Redis', async () => {
    const server = await startEmbedded(
      { auth: 'accounts', guessesPerMinute: 0, redisUrl: redis.url },
      { clock: toldOnly },
    );
    const api = new ApiClient(server);
    const owner = await api.person();
    const accounts = await api.accounts;
    const team = await accounts.workspaces.create(owner, { id: randomUUID(), name: 'Team' });
    const board = await accounts.boards.create(owner, team.id, { id: randomUUID(), name: 'Board' });
    const guests: string[] = [];
    for (let count = 0; count < 5; count++) {
      const { token } = await accounts.invites.create(owner, board.id, { id: randomUUID(), role: 'editor' });
      guests.push(await api.person());
      await accounts.invites.accept(guests.at(-1)!, token);
    }
    const edit = (userId: string) =>
      new BoardEditor(board.id, { url: server.url, getToken: () => `token-of-${userId}` });
    // While a change is on its way to Redis what is asked for is not shared: that of the next one is.
    let guest = guests.shift()!;
    let editor = await edit(guest).synced();
    while (!(await isStored()) && guests.length > 0) {
      editor.close();
      guest = guests.shift()!;
      editor = await edit(guest).synced();
    }
    expect(await stored()).toBe(1);
    const target = { boardId: board.id, memberId: guest };
    await accounts.boardMembers.update(owner, target, { role: 'viewer' });
    await waitFor(() => editor.state.isReadOnly && editor.state.isSynced, WHEN_TOLD);
    await accounts.boardMembers.remove(owner, target);
    await waitFor(() => editor.denied.length > 0, WHEN_TOLD);
    editor.close();
    const again = edit(guest);
    await waitFor(() => again.denied.length > 0);
    again.close();
  });
});
