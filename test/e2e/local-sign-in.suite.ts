import { beforeAll, describe, expect, it } from '@jest/globals';
import { Browser, type Page } from '../support/browser.ts';
import type { TestServer } from '../support/embedded.ts';

let server: TestServer;

const at = (path: string) => `${server.url}${path}`;

/** What the page makes of a name: the address that the browser goes to. */
async function answerOf(browser: Browser, name: string, query = ''): Promise<string> {
  const begun = await browser.request(at(`/api/auth/local${query}`));
  const page = new URL(begun.headers.get('location')!);
  const state = page.searchParams.get('state')!;
  return at(`/api/auth/local/callback?${new URLSearchParams({ state, name })}`);
}

async function signIn(name: string): Promise<{ id: string; name: string; email: null }> {
  const browser = new Browser();
  await browser.request(await answerOf(browser, name));
  const init = { method: 'POST', headers: { origin: server.url } };
  const { text } = await browser.request(at('/api/auth/refresh'), init);
  return (JSON.parse(text) as { user: { id: string; name: string; email: null } }).user;
}

const asPerson = { headers: { accept: 'text/html,application/xhtml+xml;q=0.9' } };

/** Sign-in by a name, on a server that offers nothing else. */
export function localSignIn(start: () => Promise<TestServer>): void {
  describe('a server without a provider of identities', () => {
    beforeAll(async () => {
      server = await start();
    });

    describe('sign-in by a name, on one machine', () => {
      it('is offered when nothing else is, by a page of this server', async () => {
        expect(await (await fetch(at('/api/auth/providers'))).json()).toEqual({
          auth: 'accounts',
          rows: [{ name: 'local', label: 'a name only' }],
        });
        const begun = await new Browser().request(at('/api/auth/local?returnTo=/x'));
        const location = begun.headers.get('location')!;
        expect(location).toMatch(/\/sign-in\.html\?state=[\w-]{43}$/);
        expect(new URL(location).origin).toBe(server.url);
      });

      it('leads back to where it began, with a session of that person', async () => {
        const browser = new Browser();
        const back = await browser.request(await answerOf(browser, 'Ada  L.', '?returnTo=/x?y'));
        expect([back.status, back.headers.get('location')]).toEqual([302, at('/x?y')]);
        expect(browser.cookie('ykafka_session')).toBeDefined();
        const ada = await signIn('Ada L.');
        expect(ada).toMatchObject({ name: 'Ada L.', email: null });
        // However it is written; others are others.
        expect((await signIn(' ada l. ')).id).toBe(ada.id);
        expect((await signIn('Bob')).id).not.toBe(ada.id);
      });

      it.each(['', '   ', '<>', 'ada@example.test', '\u202e'])('takes %j for no name', async (name) => {
        const browser = new Browser();
        const page = await browser.request(await answerOf(browser, name, '?returnTo=/x'));
        expect(page.headers.get('location')).toBe(at('/x?signInError=SIGN_IN_FAILED'));
        expect(browser.cookie('ykafka_session')).toBeUndefined();
      });

      it('is for the browser that began it, once', async () => {
        const [mallory, victim] = [new Browser(), new Browser()];
        const url = await answerOf(mallory, 'Mallory');
        expect((await victim.request(url)).status).toBe(400);
        expect(victim.cookie('ykafka_session')).toBeUndefined();
        expect((await mallory.request(url)).status).toBe(302);
        expect((await mallory.request(url)).status).toBe(400);
      });
    });

    describe('a sign-in that fails in front of a person', () => {
      const shown = (page: Page) => [page.status, page.headers.get('content-type')];

      it('is shown as a page that leads back to its beginning', async () => {
        const page = await new Browser().request(at('/api/auth/local/callback?state=x'), asPerson);
        expect(shown(page)).toEqual([400, 'text/html; charset=utf-8']);
        expect(page.text).toContain('The sign-in did not succeed');
        expect(page.text).toContain('href="/api/auth/local"');
        expect(page.headers.get('content-security-policy')).toContain("default-src 'self'");
      });

      it('shows nothing of what was sent', async () => {
        const path = '/api/auth/x%22%3E%3Cscript%3E/callback?state=%22%3E%3Cscript%3E&code=%3Cb%3E';
        const page = await new Browser().request(at(path), asPerson);
        expect(shown(page)[1]).toBe('text/html; charset=utf-8');
        expect(page.text).not.toMatch(/<script|<b>|"><(?!\/)/);
      });

      it('is a problem for a program', async () => {
        const page = await new Browser().request(at('/api/auth/local/callback?state=x'));
        expect(shown(page)).toEqual([400, 'application/problem+json']);
        expect(JSON.parse(page.text)).toMatchObject({ code: 'SIGN_IN_FAILED' });
      });
    });
  });
}
