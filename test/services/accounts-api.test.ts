import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { openAuth } from '../../lib/broker/auth-of.ts';
import { ApiClient } from '../support/api-client.ts';
import { fuzzedAuthRequests, sendFuzzedAuth } from '../support/auth-fuzz.ts';
import { startEmbedded, stopServers, type TestServer } from '../support/embedded.ts';

const SEED = 20_261_122;
const REQUESTS = 300;

let server: TestServer;
let api: ApiClient;
let [ann, bob] = ['', ''];

beforeAll(async () => {
  server = await startEmbedded({ auth: 'accounts', guessesPerMinute: 0 });
  api = new ApiClient(server);
  [ann, bob] = [await api.person('Ann'), await api.person('Bob')];
});
afterAll(stopServers);

const idOf = async (path: string, as: string, body: object) =>
  ((await api.ask('post', path, { as, body })).body as { id: string }).id;

async function listed(as: string, query = '') {
  const { body } = await api.ask('get', `/api/boards${query}`, { as });
  const { rows, total } = body as { rows: { name: string; role: string }[]; total: number };
  return { total, rows: rows.map(({ name, role }) => `${name}: ${role}`) };
}

it('one’s own boards are those that one has made or been invited to, as long as they are there', async () => {
  const boardsOf = async (as: string, name: string) =>
    `/api/workspaces/${await idOf('/api/workspaces', as, { name })}/boards`;
  const [anns, bobs] = [await boardsOf(ann, 'Ann’s'), await boardsOf(bob, 'Bob’s')];
  await idOf(anns, ann, { name: 'Alone' });
  const shared = await idOf(anns, ann, { name: 'Shared' });
  await idOf(bobs, bob, { name: 'Bob’s' });
  expect((await listed(bob)).rows).toEqual(['Bob’s: owner']);
  const { body } = await api.ask('post', `/api/boards/${shared}/invite`, {
    as: ann,
    body: { role: 'editor' },
  });
  await api.ask('post', `/api/invites/${(body as { token: string }).token}/accept`, { as: bob });

  expect(await listed(bob, '?sort=name')).toEqual({ total: 2, rows: ['Bob’s: owner', 'Shared: editor'] });
  expect(await listed(bob, '?sort=name&pageSize=1&page=2')).toEqual({ total: 2, rows: ['Shared: editor'] });
  expect(await listed(bob, '?search=SHAR')).toEqual({ total: 1, rows: ['Shared: editor'] });
  expect(await listed(ann, '?sort=-name')).toEqual({ total: 2, rows: ['Shared: owner', 'Alone: owner'] });
  // What the workspace gives counts here as well.
  const workspaceId = anns.split('/')[3]!;
  const member = { userId: bob, role: 'admin' };
  await api.ask('post', `/api/workspaces/${workspaceId}/members`, { as: ann, body: member });
  expect((await listed(bob, '?search=shared')).rows).toEqual(['Shared: owner']);

  await api.ask('delete', `/api/boards/${shared}`, { as: ann });
  expect((await listed(bob)).rows).toEqual(['Bob’s: owner']);
  await api.ask('post', `/api/boards/${shared}/restore`, { as: ann });
  await api.ask('delete', `/api/workspaces/${workspaceId}`, { as: ann });
  expect((await listed(bob)).rows).toEqual(['Bob’s: owner']);
  expect((await api.ask('get', '/api/boards')).status).toBe(401);
});

it('no request to the routes of sign-in is answered by a fault of the server, or otherwise than described', async () => {
  const userId = await api.person('Eve');
  const { token, sessionId } = await (await openAuth(server.runtime)).sessions.create(userId);
  const world = { url: server.url, userId, sessionId, sessionToken: token };
  const statuses = new Set<number>();
  const property = fc.asyncProperty(fuzzedAuthRequests(world), async (request) => {
    statuses.add(await sendFuzzedAuth(api, request));
  });
  await fc.assert(property, { seed: SEED, numRuns: REQUESTS, endOnFailure: true });
  // Right ones were among them.
  expect([...statuses].sort()).toEqual([200, 204, 302, 400, 401, 403, 404, 422]);
});
