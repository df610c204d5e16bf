import { randomUUID } from 'node:crypto';
import { Browser, type Page } from './browser.ts';
import { BoardEditor, type BoardEditorOptions } from './board-editor.ts';
import type { OpenIdServer } from './openid-provider.ts';

export { BoardEditor } from './board-editor.ts';

export interface ApiAnswer {
  status: number;
  // The test knows what it has asked for.
  body: Record<string, unknown>;
}

const isCallback = (url: string) => url.includes('/callback');

/** What a page has of its session. */
interface Session {
  accessToken: string;
  expiresAtMs: number;
  userId: string;
}

/** Somebody who has signed in at the provider, with the API and the editor in her browser. */
export class SignedInPerson {
  readonly name: string;
  readonly userId: string;
  /** Tokens that she was ever given: access, invites. */
  readonly tokens = new Set<string>();
  readonly #browser: Browser;
  readonly #url: string;
  #session: Session;
  #halfLifeMs: number;
  #renewing: Promise<string> | undefined;

  private constructor(parts: { name: string; browser: Browser; url: string; session: Session }) {
    this.name = parts.name;
    this.userId = parts.session.userId;
    this.#browser = parts.browser;
    this.#url = parts.url;
    this.#session = parts.session;
    this.#halfLifeMs = this.#take(parts.session);
  }

  /** Through the whole flow: provider, callback, session cookie, access token. */
  static signIn(name: string, url: string, provider: OpenIdServer): Promise<SignedInPerson> {
    return SignedInPerson.signInWith(new Browser(), name, { url, provider });
  }

  /** The same in a browser that is there already. */
  static async signInWith(
    browser: Browser,
    name: string,
    { url, provider }: { url: string; provider: OpenIdServer },
  ): Promise<SignedInPerson> {
    provider.people.set(name, { email: emailOf(name), email_verified: true, name });
    let page: Page = await browser.open(`${url}/api/auth/test?returnTo=/`, isCallback);
    for (let step = 0; step < 5 && !isCallback(page.url); step++)
      page = await browser.submit(page, { login: name, password: 'any' }, isCallback);
    const end = await browser.open(page.url);
    if (end.url.includes('signInError')) throw new Error(`the sign-in of ${name} ended at ${end.url}`);
    return new SignedInPerson({ name, browser, url, session: await refresh(browser, url) });
  }

  /** One that lasts for a while yet, as a page keeps it. */
  async token(): Promise<string> {
    const leftMs = this.#session.expiresAtMs - Date.now();
    return leftMs > this.#halfLifeMs ? this.#session.accessToken : this.newToken();
  }

  /** A new one for the session of the cookie. */
  newToken(): Promise<string> {
    this.#renewing ??= refresh(this.#browser, this.#url)
      .then((session) => {
        this.#session = session;
        this.#halfLifeMs = this.#take(session);
        return session.accessToken;
      })
      .finally(() => (this.#renewing = undefined));
    return this.#renewing;
  }

  #take({ accessToken, expiresAtMs }: Session): number {
    this.tokens.add(accessToken);
    return (expiresAtMs - Date.now()) / 2;
  }

  async api(method: string, path: string, body?: unknown): Promise<ApiAnswer> {
    const response = await fetch(`${this.#url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${await this.token()}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? {} : (JSON.parse(text) as ApiAnswer['body']) };
  }

  /** Of the session in her browser. */
  async sessionId(): Promise<string> {
    const { body } = await this.api('GET', '/api/auth/sessions');
    return (body.rows as { id: string; isCurrent: boolean }[]).find(({ isCurrent }) => isCurrent)!.id;
  }

  /** Says the status. */
  async signOut(): Promise<number> {
    const init = { method: 'POST', headers: { origin: this.#url } };
    return (await this.#browser.request(`${this.#url}/api/auth/logout`, init)).status;
  }

  /** A board in a workspace of her own. */
  async makeBoard(): Promise<string> {
    const workspace = await this.api('POST', '/api/workspaces', { id: randomUUID(), name: 'Team' });
    const board = await this.api('POST', `/api/workspaces/${workspace.body.id as string}/boards`, {
      id: randomUUID(),
      name: 'Board',
    });
    return board.body.id as string;
  }

  async invite(boardId: string, role: string): Promise<string> {
    const invite = await this.api('POST', `/api/boards/${boardId}/invite`, { id: randomUUID(), role });
    const token = invite.body.token as string;
    this.tokens.add(token);
    return token;
  }

  accept(token: string): Promise<ApiAnswer> {
    return this.api('POST', `/api/invites/${token}/accept`);
  }

  /** The board in an editor, at the given gateway or otherwise than usual. */
  edit(
    boardId: string,
    url: BoardEditorOptions['url'] = this.#url,
    options: Partial<BoardEditorOptions> = {},
  ): BoardEditor {
    return new BoardEditor(boardId, { url, getToken: () => this.token(), ...options });
  }
}

export function emailOf(name: string): string {
  return `${name}@example.test`;
}

async function refresh(browser: Browser, url: string): Promise<Session> {
  const init = { method: 'POST', headers: { origin: url } };
  const { status, text } = await browser.request(`${url}/api/auth/refresh`, init);
  if (status !== 200) throw new Error(`no access token: ${status} ${text.slice(0, 300)}`);
  const { accessToken, expiresAt, user } = JSON.parse(text) as {
    accessToken: string;
    expiresAt: string;
    user: { id: string };
  };
  return { accessToken, expiresAtMs: new Date(expiresAt).getTime(), userId: user.id };
}
