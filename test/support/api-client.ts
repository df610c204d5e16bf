import { randomUUID } from 'node:crypto';
import { accountsOf } from '../../lib/broker/accounts-of.ts';
import { provideTokenVerifier } from '../../lib/broker/token-verifier.ts';
import { AppError } from '../../lib/errors.ts';
import { DescribedApi } from './described-api.ts';
import type { TestServer } from './embedded.ts';

/** The HTTP API of an embedded server, for people whose token is `token-of-` and their account's id. */
export class ApiClient extends DescribedApi {
  readonly #server: TestServer;

  constructor(server: TestServer) {
    super(server.url, (userId) => `token-of-${userId}`);
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
}
