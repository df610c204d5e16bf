import { randomUUID } from 'node:crypto';
import * as Y from 'yjs';
import { ProtocolManager, type ManagerEvents } from '../../lib/provider/index.ts';
import { Browser, type Page } from './browser.ts';
import type { OpenIdServer } from './openid-provider.ts';
import { waitFor } from './wait.ts';

export interface ApiAnswer {
  status: number;
  // The test knows what it has asked for.
  body: Record<string, unknown>;
}

const isCallback = (url: string) => url.includes('/callback');

/** Somebody who has signed in at the provider, with the API and the editor in her browser. */
export class SignedInPerson {
  readonly name: string;
  readonly userId: string;
  readonly #browser: Browser;
  readonly #url: string;
  #accessToken: string;

  private constructor(parts: {
    name: string;
    userId: string;
    browser: Browser;
    url: string;
    accessToken: string;
  }) {
    this.name = parts.name;
    this.userId = parts.userId;
    this.#browser = parts.browser;
    this.#url = parts.url;
    this.#accessToken = parts.accessToken;
  }

  /** Through the whole flow: provider, callback, session cookie, access token. */
  static async signIn(name: string, url: string, provider: OpenIdServer): Promise<SignedInPerson> {
    provider.people.set(name, { email: `${name}@example.test`, email_verified: true, name });
    const browser = new Browser();
    let page: Page = await browser.open(`${url}/api/auth/test?returnTo=/`, isCallback);
    for (let step = 0; step < 5 && !isCallback(page.url); step++)
      page = await browser.submit(page, { login: name, password: 'any' }, isCallback);
    await browser.open(page.url);
    const { accessToken, user } = await refresh(browser, url);
    return new SignedInPerson({ name, userId: user.id, browser, url, accessToken });
  }

  /** A new access token for the session of the cookie. */
  async token(): Promise<string> {
    this.#accessToken = (await refresh(this.#browser, this.#url)).accessToken;
    return this.#accessToken;
  }

  get accessToken(): string {
    return this.#accessToken;
  }

  async api(method: string, path: string, body?: unknown): Promise<ApiAnswer> {
    const response = await fetch(`${this.#url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.#accessToken}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? {} : (JSON.parse(text) as ApiAnswer['body']) };
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
    return invite.body.token as string;
  }

  accept(token: string): Promise<ApiAnswer> {
    return this.api('POST', `/api/invites/${token}/accept`);
  }

  /** The board in an editor, at the given gateway. */
  edit(boardId: string, url = this.#url): BoardEditor {
    return new BoardEditor(boardId, { url, token: () => this.#accessToken });
  }
}

/** A real provider with one document of a board, and what it has said. */
export class BoardEditor {
  readonly manager: ProtocolManager;
  readonly doc = new Y.Doc();
  readonly denied: ManagerEvents['permission-denied'][] = [];
  readonly replaced: ManagerEvents['document-replaced'][] = [];
  readonly refused: ManagerEvents['update-refused'][] = [];

  constructor(boardId: string, { url, token }: { url: string; token: () => string }) {
    this.manager = new ProtocolManager({ url, roomId: boardId, getToken: token });
    this.manager.on('permission-denied', (event) => this.denied.push(event));
    this.manager.on('document-replaced', (event) => this.replaced.push(event));
    this.manager.on('update-refused', (event) => this.refused.push(event));
    this.manager.addDoc(this.doc, { docId: 'doc', recreate: () => new Y.Doc() });
  }

  /** As it is now: a document that was replaced is another one. */
  get document(): Y.Doc {
    return this.manager.documents.get('doc') as Y.Doc;
  }

  get text(): string {
    return this.document.getText('t').toString();
  }

  get state() {
    return this.manager.documentState('doc')!;
  }

  type(text: string): void {
    const target = this.document.getText('t');
    target.insert(target.length, text);
  }

  async synced(): Promise<this> {
    await waitFor(() => this.state.isSynced, { what: 'the board is there' });
    return this;
  }

  async saved(): Promise<void> {
    await waitFor(() => !this.manager.hasUnackedChanges, { what: 'everything is acked' });
  }

  close(): void {
    this.manager.destroy();
  }
}

async function refresh(
  browser: Browser,
  url: string,
): Promise<{ accessToken: string; user: { id: string } }> {
  const init = { method: 'POST', headers: { origin: url } };
  const { text } = await browser.request(`${url}/api/auth/refresh`, init);
  return JSON.parse(text) as { accessToken: string; user: { id: string } };
}
