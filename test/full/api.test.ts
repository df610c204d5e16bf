import { randomBytes, randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createAccounts, type Accounts } from '../../lib/accounts/accounts.ts';
import { createAuth, type Auth } from '../../lib/accounts/auth.ts';
import { openAuth } from '../../lib/broker/auth-of.ts';
import { systemClock as clock } from '../../lib/clock.ts';
import { silentLogger as logger } from '../../lib/log.ts';
import { Database } from '../../lib/store/database.ts';
import { ApiClient } from '../support/api-client.ts';
import { fuzzedRequests, sendFuzzed } from '../support/api-fuzz.ts';
import { fuzzedAuthRequests, sendFuzzedAuth } from '../support/auth-fuzz.ts';
import { makeBoardWorld, makePeople } from '../support/board-world.ts';
import { startTestCluster, type TestCluster } from '../support/cluster.ts';
import { DescribedApi } from '../support/described-api.ts';
import { startEmbedded, stopServers } from '../support/embedded.ts';
import { waitFor } from '../support/wait.ts';

jest.setTimeout(900_000);

const HOUR_MS = 3_600_000;
/** Of the requests; another one by hand asks other things. */
const FUZZ_SEED = 20_261_122;
const NAMES = { issuer: 'y-kafka', audience: 'y-kafka' };
const secret = randomBytes(32).toString('hex');
/** Of other systems of the operator. */
const internalSecret = randomBytes(32).toString('hex');

let cluster: TestCluster;
let database: Database;
let accounts: Accounts;
let auth: Auth;
const tokens = new Map<string, string>();

/** An account with a session, and a token as a sign-in gives it. */
async function person(name: string): Promise<string> {
  const { id } = await accounts.users.signedIn({ provider: 'test', subject: randomUUID(), name });
  const { sessionId } = await auth.sessions.create(id);
  tokens.set(id, (await auth.tokens.issue({ userId: id, sessionId, name })).token);
  return id;
}

afterAll(stopServers);

describe('the HTTP API of a cluster', () => {
  beforeAll(async () => {
    cluster = await startTestCluster({
      env: { AUTH: 'accounts', YKAFKA_SECRET: secret, YKAFKA_INTERNAL_SECRET: internalSecret },
    });
    database = await Database.open({ databaseUrl: cluster.databaseUrl, logger, clock });
    accounts = createAccounts({ database, clock, restoreMs: HOUR_MS });
    const lives = { accessTokenMs: HOUR_MS, sessionIdleMs: HOUR_MS };
    auth = createAuth({ accounts, logger, secret, ...NAMES, ...lives, providers: [] });
  });
  afterAll(async () => {
    await database?.close();
    await cluster?.stop();
  });

  it('says the same at every gateway, also of errors that come from another process', async () => {
    const [ann, bob] = [await person('Ann'), await person('Bob')];
    const [here, there] = cluster.urls.map((url) => new DescribedApi(url, (userId) => tokens.get(userId)!));
    const team = await here!.ask('post', '/api/workspaces', { as: ann, body: { name: 'Team' } });
    expect(team.status).toBe(201);
    const boards = `/api/workspaces/${(team.body as { id: string }).id}/boards`;
    const id = randomUUID();
    // The same request at both at once is one board.
    const made = await Promise.all(
      [here!, there!].map((api) => api.ask('post', boards, { as: ann, body: { id, name: 'Plan' } })),
    );
    expect(made.map(({ status }) => status)).toEqual([201, 201]);
    expect(await there!.ask('get', boards, { as: ann })).toMatchObject({
      body: { total: 1, rows: [{ id }] },
    });
    expect(await there!.ask('get', `/api/boards/${id}`, { as: bob })).toMatchObject({
      status: 404,
      body: { code: 'BOARD_NOT_FOUND' },
    });
    expect(await there!.ask('post', boards, { as: ann, body: { name: 7 } })).toMatchObject({
      status: 422,
      body: { code: 'BAD_INPUT', errors: [{ field: 'name' }] },
    });
    const invite = await here!.ask('post', `/api/boards/${id}/invite`, { as: ann, body: { role: 'editor' } });
    const { token } = invite.body as { token: string };
    expect(await there!.ask('post', `/api/invites/${token}/accept`, { as: bob })).toMatchObject({
      status: 200,
      body: { boardId: id, role: 'editor' },
    });
    expect(await here!.ask('get', `/api/boards/${id}`)).toMatchObject({ status: 401 });
  });

  it('tells other systems of the operator a role, at the internal listener of the permissions alone', async () => {
    const [ann, bob] = [await person('Ann'), await person('Bob')];
    const api = new DescribedApi(cluster.urls[0]!, (userId) => tokens.get(userId)!);
    const team = await api.ask('post', '/api/workspaces', { as: ann, body: { name: 'Team' } });
    const boards = `/api/workspaces/${(team.body as { id: string }).id}/boards`;
    const { id } = (await api.ask('post', boards, { as: ann, body: { name: 'Plan' } })).body as {
      id: string;
    };
    const ask = (base: string, userId: string, word = internalSecret) =>
      fetch(`${base}/internal/boards/${id}/permission?userId=${userId}`, {
        headers: { authorization: `Internal-Secret ${word}` },
      });
    const [permissions, gateway] = ['accounts-1', 'gateway-1'].map(
      (name) => cluster.processes.get(name)!.internalUrl!,
    );
    expect(await (await ask(permissions!, ann)).json()).toEqual({ role: 'owner' });
    expect(await (await ask(permissions!, bob)).json()).toEqual({ role: null });
    const refused = await ask(permissions!, ann, `${internalSecret}x`);
    expect([refused.status, await refused.json()]).toEqual([401, { code: 'UNAUTHENTICATED' }]);
    // Not where people come in, and not where nobody could tell.
    for (const base of [...cluster.urls, gateway!]) expect((await ask(base, ann)).status).toBe(404);
  });

  it('what was being made when the accounts were killed is made once when it is asked again', async () => {
    const ann = await person('Ann');
    const api = new DescribedApi(cluster.urls[0]!, (userId) => tokens.get(userId)!);
    const team = await api.ask('post', '/api/workspaces', { as: ann, body: { name: 'Team' } });
    const boards = `/api/workspaces/${(team.body as { id: string }).id}/boards`;
    const ids = Array.from({ length: 30 }, () => randomUUID());
    const make = async (id: string) =>
      (await api.ask('post', boards, { as: ann, body: { id, name: 'Plan' } })).status;
    const statuses = Promise.all(ids.map(make));
    await cluster.processes.get('accounts-1')!.end('SIGKILL');
    for (const status of await statuses) expect([201, 503]).toContain(status);
    await cluster.restart('accounts-1');
    // The gateway learns of the new process a moment after it is ready.
    for (const id of ids)
      await waitFor(async () => (await make(id)) === 201, { timeoutMs: 60_000, what: 'it is made' });
    expect(await api.ask('get', `${boards}?pageSize=100`, { as: ann })).toMatchObject({
      body: { total: 30 },
    });
  });
});

it('no request of 3,000 is answered by a fault of the server, or otherwise than described', async () => {
  const server = await startEmbedded({
    auth: 'accounts',
    guessesPerMinute: 0,
    presenceQuestionsPerMinute: 0,
  });
  const api = new ApiClient(server);
  const people = await makePeople(api);
  const world = await makeBoardWorld(server, people);
  await fc.assert(
    fc.asyncProperty(fuzzedRequests(world, people), async (request) => void (await sendFuzzed(api, request))),
    { seed: FUZZ_SEED, numRuns: 3_000, endOnFailure: true },
  );
});

it('no request of 3,000 to the routes of sign-in either', async () => {
  const server = await startEmbedded({
    auth: 'accounts',
    guessesPerMinute: 0,
    presenceQuestionsPerMinute: 0,
  });
  const api = new ApiClient(server);
  const userId = await api.person('Ada');
  const { token, sessionId } = await (await openAuth(server.runtime)).sessions.create(userId);
  const world = { url: server.url, userId, sessionId, sessionToken: token };
  await fc.assert(
    fc.asyncProperty(fuzzedAuthRequests(world), async (request) => void (await sendFuzzedAuth(api, request))),
    { seed: FUZZ_SEED, numRuns: 3_000, endOnFailure: true },
  );
});
