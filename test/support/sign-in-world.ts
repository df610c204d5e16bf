import { inspect } from 'node:util';
import { expect } from '@jest/globals';
import { loadConfig } from '../../lib/config.ts';
import type { Logger } from '../../lib/log.ts';
import { Browser, type Page } from './browser.ts';
import { startEmbedded, stopServers, type TestServer } from './embedded.ts';
import { OpenIdServer } from './openid-provider.ts';

const isCallback = (url: string) => url.includes('/api/auth/test/callback');

/** A server whose people sign in at a real OpenID provider, with all that it logs and all that is secret. */
export class SignInWorld {
  provider!: OpenIdServer;
  server!: TestServer;
  /** Everything that the server logs, on every level. */
  readonly logged: string[] = [];
  /** What may stand nowhere in it. */
  readonly secrets = new Set<string>();

  async start(): Promise<void> {
    this.provider = await OpenIdServer.start();
    const { authProviders } = loadConfig({ AUTH_PROVIDERS: this.provider.settings });
    this.server = await startEmbedded(
      { auth: 'accounts', authProviders, returnOrigins: ['http://app.test'], guessesPerMinute: 0 },
      { logger: this.#logger() },
    );
    this.provider.serve(this.url);
  }

  async stop(): Promise<void> {
    await stopServers();
    await this.provider.stop();
  }

  get url(): string {
    return this.server.url;
  }

  readonly at = (path: string): string => `${this.url}${path}`;

  /** A POST of a page of the own origin. */
  readonly own = (extra: Record<string, string> = {}) => ({
    method: 'POST',
    headers: { origin: this.url, ...extra },
  });

  readonly ask = (path: string, token: string, method = 'GET'): Promise<Response> =>
    fetch(this.at(path), { method, headers: { authorization: `Bearer ${token}` } });

  /** Goes to the provider and signs in there; stops before it comes back. */
  readonly toCallback = async (
    browser: Browser,
    login: string,
    query = '',
    begun?: Page,
  ): Promise<string> => {
    const first = begun?.headers.get('location') ?? this.at(`/api/auth/test${query}`);
    let page: Page = await browser.open(first, isCallback);
    for (let step = 0; step < 5 && !isCallback(page.url); step++)
      page = await browser.submit(page, { login, password: 'any' }, isCallback);
    expect(page.url).toContain('/api/auth/test/callback');
    for (const name of ['code', 'state']) this.secrets.add(new URL(page.url).searchParams.get(name)!);
    return page.url;
  };

  /** Signs in and gives the browser with its session's cookie. */
  readonly signedIn = async (login: string): Promise<Browser> => {
    const browser = new Browser();
    await browser.request(await this.toCallback(browser, login));
    expect(browser.cookie('ykafka_session')).toBeDefined();
    return browser;
  };

  readonly refresh = async (browser: Browser, init = this.own()) => {
    const { status, text } = await browser.request(this.at('/api/auth/refresh'), init);
    const body = JSON.parse(text) as { accessToken: string; user: { id: string }; code?: string };
    for (const secret of [body.accessToken, browser.cookie('ykafka_session')])
      if (secret) this.secrets.add(secret);
    return { status, body };
  };

  /** A callback that is refused, without a session. */
  readonly refused = async (
    browser: Browser,
    url: string,
    answer: [status: number, code: string] = [400, 'SIGN_IN_FAILED'],
  ): Promise<Page> => {
    const page = await browser.request(url, { headers: { accept: 'application/json' } });
    expect([page.status, JSON.parse(page.text).code]).toEqual(answer);
    expect(browser.cookie('ykafka_session')).toBeUndefined();
    return page;
  };

  /** Accounts and sessions that there are, whosever. */
  readonly made = async (): Promise<unknown> => {
    const counts =
      'select (select count(*)::int from users) users, (select count(*)::int from sessions) sessions';
    return (await (await this.server.runtime.database()).client.query(counts, []))[0];
  };

  #logger(): Logger {
    const note = (fields: Record<string, unknown>, message: string) => {
      const { err, ...rest } = fields;
      const error = inspect(err, { depth: 10, showHidden: true });
      this.logged.push(`${message} ${JSON.stringify(rest)} ${error}`);
    };
    const logger: Logger = { debug: note, info: note, warn: note, error: note, child: () => logger };
    return logger;
  }
}
