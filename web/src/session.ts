/** Who has signed in here. */
export interface SessionUser {
  id: string;
  name: string;
}

/** How one gets in: the answer of /api/auth/providers. */
export interface Entrance {
  auth: 'none' | 'accounts' | 'jwt';
  rows: { name: string; label: string }[];
}

interface Refreshed {
  accessToken: string;
  expiresAt: string;
  user: SessionUser;
}

/** What the server says when it refuses something (RFC 9457); `status` 0 when it does not answer. */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Tokens with less life left are replaced before they are used. */
const RENEW_BEFORE_MS = 30_000;

export async function askEntrance(): Promise<Entrance> {
  return (await ask('GET', '/api/auth/providers')) as Entrance;
}

/** What an invite is, for who has its link. Rejects with a Problem when it is nothing, or no longer. */
export async function previewInvite(
  token: string,
): Promise<{ boardName: string; invitedBy: string; role: string }> {
  const path = `/api/invites/${encodeURIComponent(token)}`;
  return (await ask('GET', path)) as { boardName: string; invitedBy: string; role: string };
}

/** A sign-in of this browser: its cookie is replaced, and access tokens are asked for, when they are needed. */
export class Session {
  #current: Refreshed;
  #renewing: Promise<Refreshed> | undefined;

  private constructor(current: Refreshed) {
    this.#current = current;
  }

  /** Undefined when nobody has signed in. Rejects with a Problem when that cannot be told now. */
  static async resume(): Promise<Session | undefined> {
    try {
      return new Session(await refresh());
    } catch (error) {
      if (error instanceof Problem && error.status === 401) return undefined;
      throw error;
    }
  }

  get user(): SessionUser {
    return this.#current.user;
  }

  /** Undefined when the session has ended. */
  async token(): Promise<string | undefined> {
    const leftMs = Date.parse(this.#current.expiresAt) - Date.now();
    if (leftMs > RENEW_BEFORE_MS) return this.#current.accessToken;
    try {
      this.#renewing ??= refresh().finally(() => (this.#renewing = undefined));
      this.#current = await this.#renewing;
      return this.#current.accessToken;
    } catch (error) {
      if (error instanceof Problem && error.status === 401) return undefined;
      throw error;
    }
  }

  /** Asks the API as this person. Rejects with a Problem. */
  async ask<Answer>(method: string, path: string, body?: object): Promise<Answer> {
    return (await ask(method, path, { body, token: await this.token() })) as Answer;
  }

  /** Ends the session everywhere. */
  async signOut(): Promise<void> {
    await ask('POST', '/api/auth/logout');
  }
}

async function refresh(): Promise<Refreshed> {
  return (await ask('POST', '/api/auth/refresh')) as Refreshed;
}

async function ask(
  method: string,
  path: string,
  { body, token }: { body?: object | undefined; token?: string | undefined } = {},
): Promise<unknown> {
  const headers: Record<string, string> = { accept: 'application/json' };
  if (token !== undefined) headers.authorization = `Bearer ${token}`;
  if (body) headers['content-type'] = 'application/json';
  const response = await fetch(path, {
    method,
    headers,
    ...(body ? { body: JSON.stringify(body) } : {}),
  }).catch(() => undefined);
  if (!response) throw new Problem(0, 'AWAY', 'The server does not answer.');
  const text = await response.text();
  if (response.ok) return text === '' ? undefined : (JSON.parse(text) as unknown);
  const { code, detail } = problemIn(text);
  throw new Problem(response.status, code, detail);
}

function problemIn(text: string): { code: string; detail: string } {
  const unknown = { code: 'UNKNOWN', detail: 'The server answers with an error.' };
  try {
    return { ...unknown, ...(JSON.parse(text) as object) };
  } catch {
    return unknown; // a proxy in between says it in its own way
  }
}
