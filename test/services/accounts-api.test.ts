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

it('one’s own sessions are a list like every other', async () => {
  const userId = await api.person('Tab');
  const { sessions } = await openAuth(server.runtime);
  for (const agent of ['phone', 'desk', 'old']) await sessions.create(userId, agent);
  const path = '/api/auth/sessions';
  const { rows: all } = (await api.ask('get', path, { as: userId })).body as { rows: { id: string }[] };
  expect(all).toHaveLength(3);
  const paged = async (query: string) => {
    const { body } = await api.ask('get', `${path}?${query}`, { as: userId });
    const { rows, ...page } = body as { rows: { id: string }[] };
    return { ...page, ids: rows.map(({ id }) => id) };
  };
  const page = { total: 3, pageSize: 2, totalPages: 2 };
  const ids = all.map(({ id }) => id);
  expect(await paged('pageSize=2')).toEqual({ ...page, page: 1, ids: ids.slice(0, 2) });
  expect(await paged('pageSize=2&page=2')).toEqual({ ...page, page: 2, ids: ids.slice(2) });
  expect((await paged('sort=-createdAt')).ids).toEqual(ids);
  for (const query of ['sort=token', 'pageSize=101', 'page=0', 'page=1&page=2', 'userId=x'])
    expect([query, (await api.ask('get', `${path}?${query}`, { as: userId })).status]).toEqual([query, 422]);
});

it('filters of lists take what is described and nothing else', async () => {
  const workspace = await idOf('/api/workspaces', ann, { name: 'Filtered' });
  const board = await idOf(`/api/workspaces/${workspace}/boards`, ann, { name: 'Board' });
  await api.ask('post', `/api/boards/${board}/invite`, { as: ann, body: { role: 'viewer' } });
  const totals: Record<string, unknown> = {};
  const wanted: Record<string, unknown> = {
    'workspaces?search=filtered&type=team': 1,
    'workspaces?search=filtered&type=personal': 0,
    'workspaces?type=Team': 422,
    [`workspaces/${workspace}/members?role=owner`]: 1,
    [`workspaces/${workspace}/members?role=member`]: 0,
    [`workspaces/${workspace}/members?role=viewer`]: 422,
    [`boards/${board}/members?role=owner&inherited=false`]: 1,
    [`boards/${board}/members?role=owner&inherited=true`]: 0,
    [`boards/${board}/members?inherited=yes`]: 422,
    [`boards/${board}/members?role=owner&role=viewer`]: 422,
    [`boards/${board}/invites?state=valid`]: 1,
    [`boards/${board}/invites?state=over`]: 0,
    [`boards/${board}/invites?state=`]: 422,
    [`boards/${board}/invites?role=viewer`]: 422,
  };
  for (const path of Object.keys(wanted)) {
    const { status, body } = await api.ask('get', `/api/${path}`, { as: ann });
    totals[path] = status === 200 ? (body as { total: number }).total : status;
  }
  expect(totals).toEqual(wanted);
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
