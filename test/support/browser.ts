import { parseSetCookie } from 'cookie';

interface Kept {
  value: string;
  host: string;
  path: string;
}

export interface Page {
  url: string;
  status: number;
  headers: Headers;
  text: string;
}

/** What a browser does with cookies, redirects and forms, over real HTTP. */
export class Browser {
  /** By host, path and name. */
  readonly #cookies = new Map<string, Kept & { name: string }>();
  /** Addresses that it has been at, in order. */
  readonly visited: string[] = [];
  /** Values of all cookies that it was ever given. */
  readonly cookiesGiven = new Set<string>();

  /** Without following redirects. */
  async request(url: string, init: RequestInit = {}): Promise<Page> {
    const { host, pathname } = new URL(url);
    const cookie = [...this.#cookies.values()]
      .filter((kept) => kept.host === host && isBelow(pathname, kept.path))
      .map(({ name, value }) => `${name}=${value}`)
      .join('; ');
    const headers = new Headers(init.headers);
    if (cookie !== '' && !headers.has('cookie')) headers.set('cookie', cookie);
    const response = await fetch(url, { ...init, headers, redirect: 'manual' });
    for (const line of response.headers.getSetCookie()) this.#keep(line, new URL(url));
    this.visited.push(url);
    return { url, status: response.status, headers: response.headers, text: await response.text() };
  }

  /** Follows redirects until one leads to an address that `isEnd` takes; gives the last page, or that address. */
  async open(
    url: string,
    isEnd: (url: string) => boolean = () => false,
    init: RequestInit = {},
  ): Promise<Page> {
    let page = await this.request(url, init);
    for (let hop = 0; hop < 15 && page.status >= 300 && page.status < 400; hop++) {
      const next = new URL(page.headers.get('location')!, page.url).href;
      if (isEnd(next)) return { ...page, url: next };
      page = await this.request(next);
    }
    return page;
  }

  /** Sends the form of a page. */
  submit(page: Page, fields: Record<string, string>, isEnd?: (url: string) => boolean): Promise<Page> {
    const action = /<form[^>]*action="([^"]+)"/.exec(page.text)?.[1];
    if (!action) throw new Error(`no form at ${page.url}: ${page.status} ${page.text.slice(0, 300)}`);
    const hidden = [...page.text.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)];
    const body = new URLSearchParams({
      ...Object.fromEntries(hidden.map(([, name, value]) => [name!, value!])),
      ...fields,
    });
    return this.open(new URL(action, page.url).href, isEnd, { method: 'POST', body });
  }

  cookie(part: string): string | undefined {
    return [...this.#cookies.values()].find(({ name }) => name.includes(part))?.value;
  }

  setCookie(url: string, line: string): void {
    this.#keep(line, new URL(url));
  }

  #keep(line: string, { host }: URL): void {
    const { name, value = '', path = '/', expires, maxAge } = parseSetCookie(line);
    const key = [host, path, name].join(' ');
    if (value !== '') this.cookiesGiven.add(value);
    const isOver = (expires && expires.getTime() <= Date.now()) || (maxAge !== undefined && maxAge <= 0);
    if (isOver) this.#cookies.delete(key);
    else this.#cookies.set(key, { name, value, host, path });
  }
}

function isBelow(pathname: string, path: string): boolean {
  return path === '/' || pathname === path || pathname.startsWith(`${path}/`);
}
