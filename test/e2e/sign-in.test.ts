import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openAuth } from '../../lib/broker/auth-of.ts';
import { askAs } from '../support/asked-as.ts';
import { Browser } from '../support/browser.ts';
import { forgedTokens, handshake } from '../support/forged-tokens.ts';
import { SignInWorld } from '../support/sign-in-world.ts';
import { providerFaults } from './sign-in-provider.suite.ts';

const world = new SignInWorld();
const { at, own, ask, refresh, refused, signedIn, toCallback, logged, secrets } = world;

beforeAll(() => world.start());
afterAll(() => world.stop());

// First: what it has been told of itself by the provider it remembers.
providerFaults(world);

describe('sign-in by a real OpenID provider', () => {
  it('leads from the provider to a session, its access token and the account', async () => {
    world.provider.people.set('ada', { email: 'Ada@example.test', email_verified: true, name: 'Ada L.' });
    const browser = new Browser();
    const callback = await toCallback(browser, 'ada', '?returnTo=/board');
    const back = await browser.request(callback);
    expect([back.status, back.headers.get('location')]).toEqual([302, at('/board')]);
    const cookies = back.headers.getSetCookie().filter((line) => line.startsWith('ykafka_session='));
    expect(cookies).toEqual([expect.stringMatching(/; Path=\/api\/auth; .*HttpOnly; SameSite=Lax/)]);
    const { status, body } = await refresh(browser);
    expect([status, body.user]).toMatchObject([200, { name: 'Ada L.', email: 'ada@example.test' }]);
    expect(await (await ask('/api/auth/me', body.accessToken)).json()).toMatchObject({ id: body.user.id });
    const { keys } = (await (await fetch(at('/api/auth/jwks'))).json()) as { keys: object[] };
    expect(keys).toEqual([expect.objectContaining({ kty: 'EC', alg: 'ES256', use: 'sig' })]);
    expect(keys[0]).not.toHaveProperty('d');
    expect(await (await fetch(at('/api/auth/providers'))).json()).toEqual({
      auth: 'accounts',
      rows: [{ name: 'test', label: 'Test' }],
    });
  });

  it('answers with the access token when JSON is asked for; the same person is the same account', async () => {
    world.provider.people.set('bob', { email: 'bob@example.test', email_verified: false });
    const ids = [];
    for (let time = 0; time < 2; time++) {
      const browser = new Browser();
      const { status, text } = await browser.request(await toCallback(browser, 'bob'), {
        headers: { accept: 'application/json' },
      });
      const { accessToken, user } = JSON.parse(text);
      expect([status, user.email, user.name]).toEqual([200, null, 'Guest']);
      expect((await ask('/api/workspaces', accessToken)).status).toBe(200);
      ids.push(user.id);
    }
    expect(ids[0]).toBe(ids[1]);
  });

  it('is over when the person declines, and says so where it began', async () => {
    const browser = new Browser();
    const { url } = await browser.open(at('/api/auth/test?returnTo=/start'), (next) =>
      next.startsWith(world.provider.issuer),
    );
    const { searchParams } = new URL(url);
    const query = new URLSearchParams({
      error: 'access_denied',
      state: searchParams.get('state')!,
      iss: world.provider.issuer,
    });
    const back = await browser.request(at(`/api/auth/test/callback?${query}`));
    expect(back.headers.get('location')).toBe(at('/start?signInError=SIGN_IN_FAILED'));
    expect(browser.cookie('ykafka_session')).toBeUndefined();
  });
});

describe('an attack on the sign-in', () => {
  it('with a state that was never given, or another browser’s, is refused', async () => {
    const mallory = new Browser();
    const own = new URL(await toCallback(mallory, 'mallory'));
    // The victim is led to the end of the attacker's sign-in, to work in the attacker's account.
    await refused(new Browser(), own.href);
    const victim = new Browser();
    await toCallback(victim, 'victim');
    await refused(victim, own.href);
    const forged = new URL(own);
    forged.searchParams.set('state', 'A'.repeat(43));
    await refused(mallory, forged.href);
    const none = new URL(own);
    none.searchParams.delete('state');
    await refused(mallory, none.href);
  });

  it('with an answer that has been used is refused, and ends nothing', async () => {
    const browser = new Browser();
    const url = await toCallback(browser, 'ada');
    const kept = browser.cookie('signin')!;
    const name = (await browser.request(url)).headers
      .getSetCookie()
      .find((line) => line.includes('signin'))!
      .split('=')[0]!;
    const copy = new Browser();
    copy.setCookie(world.url, `${name}=${kept}; Path=/api/auth`);
    await refused(copy, url);
    expect((await refresh(browser)).status).toBe(200);
  });

  it('whose state has been used is refused, whatever became of it', async () => {
    const browser = new Browser();
    const begun = await browser.request(at('/api/auth/test'));
    const [cookie] = begun.headers.getSetCookie();
    const url = new URL(await toCallback(browser, 'ada', '', begun));
    const wrong = new URL(url);
    wrong.searchParams.set('code', 'invented');
    await refused(browser, wrong.href);
    // The code is still good; the browser brings the cookie once more.
    browser.setCookie(world.url, cookie!);
    await refused(browser, url.href);
  });

  it('in another browser that has a cookie of that name is refused, and the right browser goes on', async () => {
    const browser = new Browser();
    const begun = await browser.request(at('/api/auth/test'));
    const name = begun.headers.getSetCookie()[0]!.split('=')[0]!;
    const url = await toCallback(browser, 'ada', '', begun);
    const other = new Browser();
    other.setCookie(world.url, `${name}=${'A'.repeat(43)}; Path=/api/auth`);
    await refused(other, url);
    expect((await browser.request(url)).status).toBe(302);
    expect(browser.cookie('ykafka_session')).toBeDefined();
  });

  it('from another issuer is refused', async () => {
    const browser = new Browser();
    const url = new URL(await toCallback(browser, 'ada'));
    url.searchParams.set('iss', 'http://127.0.0.1:1');
    await refused(browser, url.href);
  });

  it.each([
    'https://evil.test/',
    '//evil.test/',
    '/\\evil.test/',
    'javascript:alert(1)',
    'http://app.test.evil.test/',
    'http://app.test@evil.test/',
    'http://user:pass@app.test/',
    'data:text/html,x',
  ])('that would return to %s does not begin', async (returnTo) => {
    const page = await new Browser().request(at(`/api/auth/test?returnTo=${encodeURIComponent(returnTo)}`));
    expect([page.status, JSON.parse(page.text).code]).toEqual([422, 'BAD_INPUT']);
  });

  it('may return to an origin that is configured', async () => {
    const page = await new Browser().request(at('/api/auth/test?returnTo=http://app.test/x'));
    expect(page.status).toBe(302);
  });

  it('with a session’s token that was fixed before leads to another session, and ends that one', async () => {
    const mallory = await signedIn('mallory');
    const fixed = mallory.cookie('ykafka_session')!;
    const victim = new Browser();
    victim.setCookie(world.url, `ykafka_session=${fixed}; Path=/api/auth`);
    await victim.request(await toCallback(victim, 'victim'));
    expect(victim.cookie('ykafka_session')).not.toBe(fixed);
    expect((await refresh(victim)).status).toBe(200);
    expect((await refresh(mallory)).status).toBe(401);
  });

  it.each(['/api/auth/refresh', '/api/auth/logout'])('by a foreign page at %s is refused', async (path) => {
    const browser = await signedIn('ada');
    const before = browser.cookie('ykafka_session');
    for (const origin of [
      'https://evil.test',
      'null',
      `${world.url}.evil.test`,
      'http://app.test',
      undefined,
    ]) {
      const headers: Record<string, string> = origin === undefined ? {} : { origin };
      const page = await browser.request(at(path), { method: 'POST', headers });
      expect([origin, page.status, JSON.parse(page.text).code]).toEqual([origin, 403, 'FORBIDDEN']);
    }
    expect(browser.cookie('ykafka_session')).toBe(before);
    expect((await refresh(browser)).status).toBe(200);
  });

  it('under a name that points here is refused', async () => {
    const headers = { host: `rebound.test:${new URL(world.url).port}` };
    expect((await askAs(world.url, '/api/auth/test', { headers })).status).toBe(403);
  });
});

describe('a session', () => {
  it('ends by signing out, for every token that it ever had', async () => {
    const browser = await signedIn('ada');
    const copy = new Browser();
    copy.setCookie(world.url, `ykafka_session=${browser.cookie('ykafka_session')}; Path=/api/auth`);
    await refresh(browser);
    expect((await browser.request(at('/api/auth/logout'), own())).status).toBe(204);
    expect(browser.cookie('ykafka_session')).toBeUndefined();
    expect(await refresh(copy)).toMatchObject({ status: 401, body: { code: 'UNAUTHENTICATED' } });
    expect(copy.cookie('ykafka_session')).toBeUndefined();
  });

  it('is seen and ended from another one of the same person, and by nobody else', async () => {
    const [phone, desk, stranger] = [await signedIn('eve'), await signedIn('eve'), await signedIn('bob')];
    const { accessToken } = (await refresh(desk)).body;
    const listed = (await (await ask('/api/auth/sessions', accessToken)).json()) as {
      rows: { id: string; isCurrent: boolean }[];
    };
    expect(listed.rows.map(({ isCurrent }) => isCurrent)).toEqual([true, false]);
    const path = `/api/auth/sessions/${listed.rows[1]!.id}`;
    const foreign = (await refresh(stranger)).body.accessToken;
    expect((await ask(path, foreign, 'DELETE')).status).toBe(404);
    expect((await ask(path, accessToken, 'DELETE')).status).toBe(204);
    expect((await refresh(phone)).status).toBe(401);
    expect((await fetch(at('/api/auth/sessions'))).status).toBe(401);
  });

  it('lets its access token connect, and nothing else does', async () => {
    const { accessToken } = (await refresh(await signedIn('ada'))).body;
    const bad = await forgedTokens(
      accessToken,
      await openAuth(world.server.runtime),
      world.server.runtime.clock,
    );
    const connect = (token: string | undefined) => handshake(world.url, token);
    expect(await connect(accessToken)).toBe('connected');
    for (const [name, token] of Object.entries(bad)) {
      expect([name, await connect(token)]).toEqual([name, 'UNAUTHENTICATED']);
      const { status } = await fetch(at('/api/auth/me'), { headers: { authorization: `Bearer ${token}` } });
      expect([name, status]).toEqual([name, 401]);
    }
  });
});

it('nothing of all this is in the log: no token, no code, no address', () => {
  expect([logged.length > 2, secrets.size > 20]).toEqual([true, true]);
  const text = logged.join('\n');
  expect(text).not.toMatch(/eyJ[\w-]{10}/);
  expect(text).not.toMatch(/@example\.test/i);
  for (const secret of secrets) expect(text).not.toContain(secret);
});
