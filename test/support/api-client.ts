import { randomUUID } from 'node:crypto';
import { accountsOf } from '../../lib/broker/accounts-of.ts';
import { provideTokenVerifier } from '../../lib/broker/token-verifier.ts';
import { AppError } from '../../lib/errors.ts';
import { ApiDescription } from './api-description.ts';
import type { TestServer } from './embedded.ts';

export interface Answer {
  status: number;
  headers: Headers;
  /** Parsed when it is JSON; undefined when there is none. */
  body: unknown;
}

export interface ApiRequest {
  /** Who asks: an account's id; nobody when it is left out. */
  as?: string | undefined;
  body?: unknown;
  headers?: Record<string, string>;
}

/**
 * The HTTP API of a server, for people whose token is `token-of-` and their account's id. Every answer is held against
 * the API's description.
 */
export class ApiClient {
  readonly #server: TestServer;
  readonly #description = new ApiDescription();

  constructor(server: TestServer) {
    this.#server = server;
    provideTokenVerifier(server.runtime, (token) => {
      const userId = /^token-of-(.+)$/.exec(String(token))?.[1];
      if (!userId) return Promise.reject(new AppError('UNAUTHENTICATED'));
      return Promise.resolve({ kind: 'user', userId, expiresAtMs: Infinity });
    });
  }

  get accounts() {
    return accountsOf(this.#server.runtime);
  }

  /** The account's id. */
  async person(name = 'Ada'): Promise<string> {
    const subject = randomUUID();
    const profile = { provider: 'test', subject, name, email: `${subject}@test.invalid` };
    return (await (await this.accounts).users.signedIn(profile)).id;
  }

  async ask(method: string, path: string, { as, body, headers }: ApiRequest = {}): Promise<Answer> {
    const isText = typeof body === 'string';
    const response = await fetch(`${this.#server.url}${path}`, {
      method: method.toUpperCase(),
      headers: {
        ...(as === undefined ? {} : { authorization: `Bearer token-of-${as}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: isText ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const contentType = response.headers.get('content-type') ?? '';
    const answer = {
      status: response.status,
      headers: response.headers,
      body: /json/.test(contentType) ? (JSON.parse(text) as unknown) : text === '' ? undefined : text,
    };
    this.#description.check(method, path, { ...answer, contentType });
    return answer;
  }
}
