import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApiClient } from '../support/api-client.ts';
import { askAs, upgradeAs } from '../support/asked-as.ts';
import { startEmbedded, stopServers, type TestServer } from '../support/embedded.ts';

const FRIEND = 'https://app.example.com';
/** Before it stands a proxy that asks for 127.0.0.1, as nginx does when nobody tells it otherwise. */
const PUBLIC_URL = 'https://boards.example.com';
const SECRET = 'a secret of more than thirty-two characters';

let server: TestServer;
let api: ApiClient;
let [ann, bob] = ['', ''];

beforeAll(async () => {
  server = await startEmbedded({
    auth: 'accounts',
    publicUrl: PUBLIC_URL,
    corsOrigins: [FRIEND],
    // One: a slow machine gives none back while a test looks.
    guessesPerMinute: 1,
    trustedProxyHops: 1,
    internalSecret: SECRET,
  });
  api = new ApiClient(server);
  [ann, bob] = [await api.person('Ann'), await api.person('Bob')];
});
afterAll(stopServers);

const problem = (status: number, code: string) => ({
  status,
  body: expect.objectContaining({ status, code }) as unknown,
});

async function makeWorkspace(): Promise<string> {
  const { body } = await api.ask('post', '/api/workspaces', { as: ann, body: { name: 'Team' } });
  return `/api/workspaces/${(body as { id: string }).id}`;
}

async function makeBoard(): Promise<string> {
  const workspace = await makeWorkspace();
  const { body } = await api.ask('post', `${workspace}/boards`, { as: ann, body: { name: 'Plan' } });
  return (body as { id: string }).id;
}

describe('browsers', () => {
  it('pages of the own origin and of those that are named may ask, others may not', async () => {
    const from = (origin: string, method = 'get') =>
      api.ask(method, '/api/workspaces', {
        as: ann,
        headers: { origin, 'access-control-request-method': 'POST' },
      });
    const friend = await from(FRIEND);
    expect([friend.status, friend.headers.get('access-control-allow-origin')]).toEqual([200, FRIEND]);
    expect((await from(PUBLIC_URL)).status).toBe(200);
    const preflight = await from(FRIEND, 'options');
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-headers')).toBe('authorization,content-type');
    // Parts of the one that is named, and where the proxy finds the server.
    const foreign = [
      'http://evil.example',
      'null',
      FRIEND.slice(0, -1),
      `${FRIEND}.evil.example`,
      server.url,
    ];
    for (const origin of foreign)
      for (const method of ['get', 'options'])
        expect(await from(origin, method)).toMatchObject(problem(403, 'FORBIDDEN'));
    const socket = async (origin: string) => {
      const polling = askAs(server.url, '/socket.io/?EIO=4&transport=polling', { headers: { origin } });
      return [(await polling).status, (await upgradeAs(server.url, { origin })).status];
    };
    for (const origin of [PUBLIC_URL, FRIEND]) expect(await socket(origin)).toEqual([200, 101]);
    for (const origin of foreign) expect(await socket(origin)).toEqual([403, 403]);
  });

  it('the page behind the proxy writes, and acts by its cookie', async () => {
    const headers = { origin: PUBLIC_URL };
    const made = await api.ask('post', '/api/workspaces', { as: ann, body: { name: 'Own' }, headers });
    expect(made.status).toBe(201);
    // Without a cookie: it comes as far as that.
    expect(await api.ask('post', '/api/auth/refresh', { headers })).toMatchObject(
      problem(401, 'UNAUTHENTICATED'),
    );
    expect(await api.ask('post', '/api/auth/refresh', { headers: { origin: server.url } })).toMatchObject(
      problem(403, 'FORBIDDEN'),
    );
  });

  it('are told to be careful with every answer', async () => {
    for (const path of ['/', '/api/workspaces', '/health', '/nothing']) {
      const { headers } = await api.ask('get', path);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('content-security-policy')).toContain("default-src 'self'");
      expect(headers.get('x-powered-by')).toBeNull();
    }
  });
});

describe('more guesses than an address may make', () => {
  let addresses = 0;
  /** Of somebody else each time, as the proxy says it. */
  const newAddress = () => ({ 'x-forwarded-for': `203.0.113.${++addresses}` });
  const refusal = problem(429, 'RATE_LIMITED');

  async function newInvite(): Promise<{ boardId: string; token: string }> {
    const boardId = await makeBoard();
    const made = await api.ask('post', `/api/boards/${boardId}/invite`, {
      as: ann,
      body: { role: 'editor' },
    });
    return { boardId, token: (made.body as { token: string }).token };
  }
  const wrong = 'b'.repeat(43);

  it('what an invite is: the right one is not told either, to others it is', async () => {
    const { token } = await newInvite();
    const headers = newAddress();
    const look = (guess: string, as = headers) => api.ask('get', `/api/invites/${guess}`, { headers: as });
    expect(await look(wrong)).toMatchObject(problem(404, 'INVITE_NOT_FOUND'));
    const refused = await look(token);
    expect(refused).toMatchObject(refusal);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await look(token, newAddress())).status).toBe(200);
  });

  it('accepting an invite: the right one gives nothing, whoever asks there', async () => {
    const { boardId, token } = await newInvite();
    const headers = newAddress();
    const accept = (guess: string, as: string, from = headers) =>
      api.ask('post', `/api/invites/${guess}/accept`, { as, headers: from });
    expect(await accept(wrong, bob)).toMatchObject(problem(404, 'INVITE_NOT_FOUND'));
    expect(await accept(token, bob)).toMatchObject(refusal);
    // It is the address that is counted, not the account: one has as many of these as one likes.
    expect(await accept(token, await api.person('Bob again'))).toMatchObject(refusal);
    expect((await api.ask('get', `/api/boards/${boardId}`, { as: bob })).status).toBe(404);
    expect((await accept(token, bob, newAddress())).status).toBe(200);
    expect((await api.ask('get', `/api/boards/${boardId}`, { as: bob })).status).toBe(200);
  });

  it('looking and accepting are counted together', async () => {
    const headers = newAddress();
    expect((await api.ask('get', `/api/invites/${wrong}`, { headers })).status).toBe(404);
    expect(await api.ask('post', `/api/invites/${wrong}/accept`, { as: bob, headers })).toMatchObject(
      refusal,
    );
  });

  it('members by e-mail address: nobody is told who has an account', async () => {
    const workspace = await makeWorkspace();
    const { email } = await (await api.accounts).users.get(bob);
    const headers = newAddress();
    const add = (address: string | null, from = headers) =>
      api.ask('post', `${workspace}/members`, {
        as: ann,
        body: { email: address, role: 'member' },
        headers: from,
      });
    expect(await add('nobody@test.invalid')).toMatchObject(problem(404, 'MEMBER_NOT_FOUND'));
    expect(await add(email)).toMatchObject(refusal);
    expect((await api.ask('get', workspace, { as: bob })).status).toBe(404);
    expect((await add(email, newAddress())).status).toBe(200);
  });

  it('beginnings of sign-ins', async () => {
    const headers = newAddress();
    const begin = () => api.ask('get', '/api/auth/nobody', { headers });
    expect((await begin()).status).toBe(404);
    expect(await begin()).toMatchObject(refusal);
  });
});

describe('the internal door of an embedded server', () => {
  const ask = (base: string, boardId: string, userId: string, secret = SECRET) =>
    fetch(`${base}/internal/boards/${boardId}/permission?userId=${userId}`, {
      headers: { authorization: `Internal-Secret ${secret}` },
    });

  it('tells other systems who has which role, and nobody else', async () => {
    const boardId = await makeBoard();
    const told = async (userId: string, board = boardId) =>
      (await ask(server.internalUrl!, board, userId)).json();
    expect(await told(ann)).toEqual({ role: 'owner' });
    expect(await told(bob)).toEqual({ role: null });
    expect(await told(ann, randomUUID())).toEqual({ role: null });
    expect((await ask(server.internalUrl!, boardId, ann, `${SECRET}x`)).status).toBe(401);
    expect((await fetch(`${server.internalUrl}/internal/other`)).status).toBe(404);
  });

  it('is not where people come in', async () => {
    expect(new URL(server.internalUrl!).host).not.toBe(new URL(server.url).host);
    expect((await ask(server.url, await makeBoard(), ann)).status).toBe(404);
  });
});
