import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { loadConfig } from '../../lib/config.ts';
import { Browser, type Page } from '../support/browser.ts';
import { startEmbedded, stopServers, type TestServer } from '../support/embedded.ts';
import { OpenIdServer } from '../support/openid-provider.ts';

let provider: OpenIdServer;
let server: TestServer;

beforeAll(async () => {
  provider = await OpenIdServer.start();
  const { authProviders } = loadConfig({ AUTH_PROVIDERS: provider.settings });
  server = await startEmbedded({
    auth: 'accounts',
    authProviders,
    returnOrigins: ['http://app.test'],
    guessesPerMinute: 0,
  });
  provider.serve(server.url);
});

afterAll(async () => {
  await stopServers();
  await provider.stop();
});

const at = (path: string) => `${server.url}${path}`;
const isCallback = (url: string) => url.includes('/api/auth/test/callback');
const own = (extra: Record<string, string> = {}) => ({
  method: 'POST',
  headers: { origin: server.url, ...extra },
});

/** Goes to the provider and signs in there; stops before it comes back. */
async function toCallback(browser: Browser, login: string, query = ''): Promise<string> {
  let page: Page = await browser.open(at(`/api/auth/test${query}`), isCallback);
  for (let step = 0; step < 5 && !isCallback(page.url); step++)
    page = await browser.submit(page, { login, password: 'any' }, isCallback);
  expect(page.url).toContain('/api/auth/test/callback');
  return page.url;
}

describe('sign-in by a real OpenID provider', () => {
  it('leads from the provider to a session, its access token and the account', async () => {
    provider.people.set('ada', { email: 'ada@example.test', email_verified: true, name: 'Ada L.' });
    const browser = new Browser();
    const back = await browser.open(await toCallback(browser, 'ada', '?returnTo=/board'), (url) =>
      url.endsWith('/board'),
    );
    expect(back.url).toBe(at('/board'));
    const refreshed = await browser.request(at('/api/auth/refresh'), own());
    const { accessToken, user } = JSON.parse(refreshed.text);
    expect([refreshed.status, user.name, user.email]).toEqual([200, 'Ada L.', 'ada@example.test']);
    const me = await fetch(at('/api/auth/me'), { headers: { authorization: `Bearer ${accessToken}` } });
    expect(await me.json()).toMatchObject({ id: user.id });
  });
});
