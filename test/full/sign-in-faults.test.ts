import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { silentLogger } from '../../lib/log.ts';
import { startPostgres, type RunningPostgres } from '../../scripts/dev/postgres.ts';
import { Browser } from '../support/browser.ts';
import { startEmbedded, stopServers, type TestServer } from '../support/embedded.ts';
import { waitFor } from '../support/wait.ts';

jest.setTimeout(900_000);

let postgres: RunningPostgres;
let server: TestServer;

beforeAll(async () => {
  postgres = await startPostgres();
  const config = { auth: 'accounts', databaseUrl: postgres.url, guessesPerMinute: 0 } as const;
  // That the database is away is what is tested.
  server = await startEmbedded(config, { logger: silentLogger });
});
afterAll(async () => {
  await stopServers();
  await postgres?.stop();
});

const at = (path: string) => `${server.url}${path}`;
const asPerson = { headers: { accept: 'text/html' } };

/** Begins a sign-in and gives the address to which it goes on. */
async function callbackOf(browser: Browser, name: string): Promise<string> {
  const begun = await browser.request(at('/api/auth/local?returnTo=/x'));
  const state = new URL(begun.headers.get('location')!).searchParams.get('state')!;
  return at(`/api/auth/local/callback?${new URLSearchParams({ state, name })}`);
}

async function rows(sql: string, values: unknown[]): Promise<Record<string, unknown>[]> {
  return (await server.runtime.database()).client.query(sql, values);
}

const accountsNamed = (name: string) => rows('select id from users where name = $1', [name]);

describe('sign-ins at once', () => {
  it('two callbacks of one sign-in: one of them wins', async () => {
    for (let round = 0; round < 5; round++) {
      const name = `Twin ${round}`;
      const browser = new Browser();
      const url = await callbackOf(browser, name);
      const pages = await Promise.all(Array.from({ length: 4 }, () => browser.request(url)));
      expect(pages.map(({ status }) => status).sort()).toEqual([302, 400, 400, 400]);
      const [account, ...more] = await accountsNamed(name);
      expect(more).toEqual([]);
      expect(await rows('select id from sessions where user_id = $1', [account!.id])).toHaveLength(1);
    }
  });

  it('ten first ones of one person: one account, one workspace of her own, ten sessions', async () => {
    const begun = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const browser = new Browser();
        return { browser, url: await callbackOf(browser, 'Newcomer') };
      }),
    );
    const pages = await Promise.all(begun.map(({ browser, url }) => browser.request(url)));
    expect(new Set(pages.map(({ headers }) => headers.get('location')))).toEqual(new Set([at('/x')]));
    const [account, ...more] = await accountsNamed('Newcomer');
    expect(more).toEqual([]);
    expect(await rows('select id from workspaces where owner_id = $1', [account!.id])).toHaveLength(1);
    expect(await rows('select id from sessions where user_id = $1', [account!.id])).toHaveLength(10);
  });
});

describe('a sign-in while the database is killed', () => {
  it('says so to a person, takes nothing away, and goes on when it is back', async () => {
    const browser = new Browser();
    const url = await callbackOf(browser, 'Patient');
    await postgres.kill('SIGKILL');
    for (const address of [url, at('/api/auth/local')]) {
      const page = await browser.request(address, asPerson);
      expect([page.status, page.headers.get('content-type')]).toEqual([503, 'text/html; charset=utf-8']);
      expect(page.text).toContain('Signing in does not work at the moment');
      expect(page.headers.get('retry-after')).toBe('1');
    }
    const problem = await browser.request(url, { headers: { accept: 'application/json' } });
    expect([problem.status, JSON.parse(problem.text).code]).toEqual([503, 'STORE_UNAVAILABLE']);
    expect(browser.cookie('ykafka_session')).toBeUndefined();

    await postgres.restart();
    // "Try again" asks for the same address.
    await waitFor(async () => (await browser.request(url, asPerson)).status === 302, {
      timeoutMs: 60_000,
      what: 'the sign-in goes on',
    });
    expect(browser.cookie('ykafka_session')).toBeDefined();
    // Connections of before the restart may still be in the pool.
    const accounts = await waitFor(() => accountsNamed('Patient'), { timeoutMs: 60_000 });
    expect(accounts).toHaveLength(1);
  });

  it('a refresh keeps its cookie, and works when it is back', async () => {
    const browser = new Browser();
    // The same.
    const before = await waitFor(
      async () => {
        await browser.request(await callbackOf(browser, 'Faithful'));
        return browser.cookie('ykafka_session');
      },
      { timeoutMs: 60_000 },
    );
    const refresh = () =>
      browser.request(at('/api/auth/refresh'), { method: 'POST', headers: { origin: server.url } });
    await postgres.kill('SIGKILL');
    const away = await refresh();
    expect([away.status, browser.cookie('ykafka_session')]).toEqual([503, before]);
    await postgres.restart();
    await waitFor(async () => (await refresh()).status === 200, { timeoutMs: 60_000, what: 'it is back' });
    expect(browser.cookie('ykafka_session')).not.toBe(before);
  });
});
