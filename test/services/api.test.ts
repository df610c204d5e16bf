import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { InviteView } from '../../lib/accounts/views.ts';
import { openAuth } from '../../lib/broker/auth-of.ts';
import { ApiClient } from '../support/api-client.ts';
import { startEmbedded, stopServers, type TestServer } from '../support/embedded.ts';

let server: TestServer;
let api: ApiClient;
let [ann, bob] = ['', ''];

beforeAll(async () => {
  server = await startEmbedded({ auth: 'accounts', guessesPerMinute: 0 });
  api = new ApiClient(server);
  [ann, bob] = [await api.person('Ann'), await api.person('Bob')];
});
afterAll(stopServers);

const problem = (status: number, code: string) => ({
  status,
  body: expect.objectContaining({
    type: 'about:blank',
    status,
    code,
    detail: expect.any(String) as unknown,
  }) as unknown,
});

describe('workspaces, boards, members and invites over HTTP', () => {
  it('from the first workspace to a board with two people, and back', async () => {
    const home = await api.ask('get', '/api/workspaces', { as: ann });
    expect(home.body).toMatchObject({ total: 1, page: 1, rows: [{ type: 'personal', role: 'owner' }] });

    const team = await api.ask('post', '/api/workspaces', { as: ann, body: { name: ' Team ' } });
    expect(team).toMatchObject({ status: 201, body: { name: 'Team', type: 'team', role: 'owner' } });
    const { id: workspaceId } = team.body as { id: string };
    expect(team.headers.get('location')).toBe(`/api/workspaces/${workspaceId}`);

    const id = randomUUID();
    const made = await Promise.all(
      // Capitals are the same id; the same request twice is one board.
      [id, id.toUpperCase()].map((id) =>
        api.ask('post', `/api/workspaces/${workspaceId}/boards`, { as: ann, body: { id, name: 'Plan' } }),
      ),
    );
    expect(made.map(({ status, body }) => [status, (body as { id: string }).id])).toEqual([
      [201, id],
      [201, id],
    ]);
    const board = `/api/boards/${id}`;
    const [{ id: homeId }] = (home.body as { rows: [{ id: string }] }).rows;
    expect(
      await api.ask('post', `/api/workspaces/${homeId}/boards`, { as: ann, body: { id, name: 'Plan' } }),
    ).toMatchObject(problem(409, 'ID_TAKEN'));

    const invite = await api.ask('post', `${board}/invite`, {
      as: ann,
      body: { role: 'editor', expiresAt: '2099-01-01T00:00:00Z', maxUses: 1 },
    });
    expect(invite).toMatchObject({ status: 201, body: { role: 'editor', uses: 0, maxUses: 1 } });
    const { token, id: inviteId } = invite.body as InviteView & { token: string };
    const preview = await api.ask('get', `/api/invites/${token}`);
    expect(preview).toMatchObject({
      status: 200,
      body: { boardId: id, boardName: 'Plan', invitedBy: 'Ann', expiresAt: '2099-01-01T00:00:00.000Z' },
    });
    expect(await api.ask('get', board, { as: bob })).toMatchObject(problem(404, 'BOARD_NOT_FOUND'));
    for (let twice = 0; twice < 2; twice++)
      expect(await api.ask('post', `/api/invites/${token}/accept`, { as: bob })).toMatchObject({
        status: 200,
        body: { boardId: id, role: 'editor' },
      });
    expect(await api.ask('get', `${board}/invites`, { as: bob })).toMatchObject({
      body: { rows: [{ uses: 1 }] },
    });
    expect(await api.ask('delete', `${board}/invites/${inviteId}`, { as: ann })).toMatchObject({
      status: 204,
    });

    const change = { as: bob, body: { name: 'Plan B', thumbnailUrl: 'https://example.com/b.png' } };
    expect(await api.ask('patch', board, change)).toMatchObject({ status: 200, body: { ...change.body } });
    const members = await api.ask('get', `${board}/members?sort=-name&pageSize=1`, { as: bob });
    expect(members.body).toMatchObject({ total: 2, totalPages: 2, rows: [{ name: 'Bob', role: 'editor' }] });

    expect(await api.ask('delete', board, { as: bob })).toMatchObject(problem(403, 'FORBIDDEN'));
    expect(await api.ask('post', `${board}/leave`, { as: ann })).toMatchObject(problem(409, 'LAST_OWNER'));
    expect(await api.ask('post', `${board}/transfer`, { as: ann, body: { userId: bob } })).toMatchObject({
      status: 204,
    });
    expect(await api.ask('delete', board, { as: bob })).toMatchObject({ status: 204, body: undefined });
    expect(await api.ask('get', board, { as: bob })).toMatchObject(problem(404, 'BOARD_NOT_FOUND'));
    expect(await api.ask('post', `${board}/restore`, { as: bob })).toMatchObject({
      status: 200,
      body: { id },
    });
  });

  it('somebody is added by e-mail address, gets another role, and leaves', async () => {
    const { body } = await api.ask('post', '/api/workspaces', { as: ann, body: { name: 'Crew' } });
    const workspace = `/api/workspaces/${(body as { id: string }).id}`;
    const { email } = await (await api.accounts).users.get(bob);
    const added = await api.ask('post', `${workspace}/members`, { as: ann, body: { email, role: 'member' } });
    expect(added).toMatchObject({ status: 200, body: { userId: bob, role: 'member' } });
    const both = { email, userId: bob, role: 'member' };
    for (const wrong of [both, { role: 'member' }])
      expect(await api.ask('post', `${workspace}/members`, { as: ann, body: wrong })).toMatchObject(
        problem(422, 'BAD_INPUT'),
      );
    const asAdmin = { as: ann, body: { role: 'admin' } };
    expect((await api.ask('patch', `${workspace}/members/${bob}`, asAdmin)).status).toBe(204);
    expect((await api.ask('post', `${workspace}/leave`, { as: bob })).status).toBe(204);
    expect(await api.ask('get', workspace, { as: bob })).toMatchObject(problem(404, 'WORKSPACE_NOT_FOUND'));
  });
});

describe('sign-in as the description has it', () => {
  it('answers about itself, about who asks, and to who proves nothing', async () => {
    // The client holds each answer against the description.
    const ask = async (method: string, path: string, as?: string, origin?: string) =>
      (await api.ask(method, `/api/auth${path}`, { as, headers: origin === undefined ? {} : { origin } }))
        .status;
    expect(await ask('get', '/providers')).toBe(200);
    expect(await ask('get', '/jwks')).toBe(200);
    expect([await ask('get', '/me', ann), await ask('get', '/me')]).toEqual([200, 401]);
    await (await openAuth(server.runtime)).sessions.create(ann);
    expect([await ask('get', '/sessions', ann), await ask('get', '/sessions')]).toEqual([200, 401]);
    expect(await ask('delete', `/sessions/${randomUUID()}`, ann)).toBe(404);
    expect(await ask('delete', '/sessions/1', ann)).toBe(422);
    expect([await ask('post', '/refresh'), await ask('post', '/refresh', ann, server.url)]).toEqual([
      403, 401,
    ]);
    expect(await ask('post', '/logout', ann, server.url)).toBe(204);
    expect([await ask('get', '/nobody'), await ask('get', '/nobody/callback?state=x')]).toEqual([404, 400]);
    expect(await ask('get', '/nobody?returnTo=https://evil.example')).toBe(422);
  });
});

describe('what the HTTP API refuses', () => {
  it('who proves nothing', async () => {
    for (const authorization of ['', 'Bearer', 'Bearer nonsense', `Basic token-of-${ann}`]) {
      const answer = await api.ask('get', '/api/workspaces', { headers: { authorization } });
      expect(answer).toMatchObject(problem(401, 'UNAUTHENTICATED'));
      expect(answer.headers.get('www-authenticate')).toBe('Bearer');
    }
    const { broker } = server;
    await expect(broker.call('workspaces.list', {})).rejects.toMatchObject({ type: 'UNAUTHENTICATED' });
    const service = { kind: 'service', userId: 'robot', expiresAtMs: Infinity };
    await expect(broker.call('workspaces.list', {}, { meta: { principal: service } })).rejects.toMatchObject({
      type: 'FORBIDDEN',
    });
  });

  it.each([
    ['an unknown field', 'post', '/api/workspaces', { name: 'x', ownerId: randomUUID() }, 'ownerId'],
    ['a name of blanks', 'post', '/api/workspaces', { name: '   ' }, 'name'],
    ['a name that PostgreSQL cannot store', 'post', '/api/workspaces', { name: 'a\u0000b' }, 'name'],
    ['a name too long', 'post', '/api/workspaces', { name: 'x'.repeat(101) }, 'name'],
    ['a number for a name', 'post', '/api/workspaces', { name: 7 }, 'name'],
    ['nothing', 'post', '/api/workspaces', {}, 'name'],
    ['null where it means nothing', 'post', '/api/workspaces', { name: 'x', id: null }, 'id'],
    ['an id that is none', 'get', '/api/boards/1%00', undefined, 'boardId'],
    ['a page that is none', 'get', '/api/workspaces?page=0', undefined, 'page'],
    ['an unknown order', 'get', '/api/workspaces?sort=ownerId', undefined, 'sort'],
    ['an unknown query', 'get', '/api/workspaces?userId=1', undefined, 'userId'],
    ['a query twice', 'get', '/api/workspaces?search=a&search=b', undefined, 'search'],
  ])('%s, and says which field', async (...[, method, path, body, field]) => {
    const answer = await api.ask(method, path, { as: ann, body });
    expect(answer).toMatchObject(problem(422, 'BAD_INPUT'));
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect((answer.body as { errors: unknown[] }).errors).toContainEqual(expect.objectContaining({ field }));
  });

  it('what is no JSON, no object, too large, or something else', async () => {
    const post = (body: unknown, type = 'application/json') =>
      api.ask('post', '/api/workspaces', { as: ann, body, headers: { 'content-type': type } });
    expect(await post('{"name":')).toMatchObject(problem(400, 'MALFORMED'));
    expect(await post(undefined)).toMatchObject(problem(422, 'BAD_INPUT'));
    expect(await post('[1]')).toMatchObject(problem(422, 'BAD_INPUT'));
    expect(await post(JSON.stringify({ name: 'x'.repeat(70_000) }))).toMatchObject(
      problem(413, 'PAYLOAD_TOO_LARGE'),
    );
    expect(await post('name=x', 'application/x-www-form-urlencoded')).toMatchObject(
      problem(415, 'UNSUPPORTED_MEDIA_TYPE'),
    );
    expect(await post('{"__proto__":{"name":"x"}}')).toMatchObject(problem(422, 'BAD_INPUT'));
  });

  it('routes and methods that there are not', async () => {
    expect(await api.ask('get', '/api/nothing', { as: ann })).toMatchObject(problem(404, 'NOT_FOUND'));
    expect(await api.ask('get', '/api/workspaces/%E0%A4%A', { as: ann })).toMatchObject(
      problem(400, 'MALFORMED'),
    );
    const wrong = await api.ask('put', `/api/boards/${randomUUID()}`, { as: ann, body: {} });
    expect(wrong).toMatchObject(problem(405, 'METHOD_NOT_ALLOWED'));
    expect(wrong.headers.get('allow')).toBe('GET, PATCH, DELETE');
    const logout = await api.ask('put', '/api/auth/logout', { as: ann });
    expect([logout.status, logout.headers.get('allow')]).toEqual([405, 'POST']);
    // The page is not found below the API.
    for (const path of ['/api', '/api/', '/api/index.html', '/health/index.html', '/metrics/style.css'])
      expect(await api.ask('get', path, { as: ann })).toMatchObject(problem(404, 'NOT_FOUND'));
    // No action is reached by its name.
    for (const path of ['/workspaces/list', '/gateway/rooms/list', '/api/workspaces/list', '/~node/list'])
      expect((await api.ask('get', path, { as: ann })).status).toBeGreaterThanOrEqual(404);
  });

  it('to tell what went wrong inside', async () => {
    const { broker } = server;
    await broker.destroyService(broker.getLocalService('invites')!);
    const answer = await api.ask('get', `/api/invites/${'a'.repeat(43)}`);
    expect(answer).toMatchObject(problem(503, 'SERVICE_UNAVAILABLE'));
    expect(JSON.stringify(answer.body)).not.toContain('preview');
    expect(answer.headers.get('retry-after')).toBe('1');
  });
});
