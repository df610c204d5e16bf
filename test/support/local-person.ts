import { Browser } from './browser.ts';

export interface LocalSession {
  accessToken: string;
  userId: string;
}

/** Somebody who has signed in by her name alone, at a server that offers it. */
export class LocalPerson {
  readonly #browser: Browser;
  readonly #url: string;

  private constructor(browser: Browser, url: string) {
    this.#browser = browser;
    this.#url = url;
  }

  static async signIn(name: string, url: string): Promise<LocalPerson> {
    const browser = new Browser();
    const begun = await browser.request(`${url}/api/auth/local`);
    const state = new URL(begun.headers.get('location')!).searchParams.get('state')!;
    const answer = new URLSearchParams({ state, name });
    const { status } = await browser.request(`${url}/api/auth/local/callback?${answer}`);
    if (status !== 302) throw new Error(`not signed in: ${status}`);
    return new LocalPerson(browser, url);
  }

  /** Always a new access token. */
  async session(): Promise<LocalSession> {
    const init = { method: 'POST', headers: { origin: this.#url } };
    const { text } = await this.#browser.request(`${this.#url}/api/auth/refresh`, init);
    const { accessToken, user } = JSON.parse(text) as { accessToken: string; user: { id: string } };
    return { accessToken, userId: user.id };
  }

  async api(method: string, path: string, body?: object): Promise<Record<string, unknown>> {
    const { accessToken } = await this.session();
    const response = await fetch(`${this.#url}${path}`, {
      method,
      headers: { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json' },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as Record<string, unknown>;
  }

  /** In her own workspace. */
  async makeBoard(name: string): Promise<{ id: string; workspaceId: string }> {
    const { rows } = (await this.api('GET', '/api/workspaces')) as { rows: { id: string }[] };
    const board = await this.api('POST', `/api/workspaces/${rows[0]!.id}/boards`, { name });
    return board as { id: string; workspaceId: string };
  }
}
