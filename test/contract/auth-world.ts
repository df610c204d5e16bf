import { randomBytes, randomUUID } from 'node:crypto';
import { createLocalJWKSet } from 'jose';
import { createAccounts } from '../../lib/accounts/accounts.ts';
import { createAuth, type Auth } from '../../lib/accounts/auth.ts';
import { AccessChangeEntity } from '../../lib/accounts/entities.ts';
import type { Principal } from '../../lib/accounts/principal.ts';
import { createTokenVerifier } from '../../lib/accounts/tokens.ts';
import { systemClock, type Clock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import type { Database } from '../../lib/store/database.ts';

export const DAY_MS = 24 * 3_600_000;
export const IDLE_MS = 30 * DAY_MS;
export const TOKEN_MS = 15 * 60_000;
const NAMES = { issuer: 'y-kafka', audience: 'y-kafka' };
const SECRET = randomBytes(32).toString('hex');

/** Sessions and tokens on one database, by a clock that only tests move: their limits are seconds. */
export class AuthWorld {
  #timeMs = systemClock.wallTime();
  readonly clock: Clock = { ...systemClock, wallTime: () => this.#timeMs };
  readonly accounts;
  readonly auth: Auth;
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
    this.accounts = createAccounts({ database, clock: this.clock, restoreMs: DAY_MS });
    this.auth = this.another();
  }

  later(ms: number): void {
    this.#timeMs += ms;
  }

  /** As in another process. */
  another(secret = SECRET): Auth {
    return createAuth({
      accounts: this.accounts,
      logger: silentLogger,
      secret,
      ...NAMES,
      accessTokenMs: TOKEN_MS,
      sessionIdleMs: IDLE_MS,
      providers: [],
    });
  }

  async person(): Promise<string> {
    const subject = randomUUID();
    return (await this.accounts.users.signedIn({ provider: 'test', subject, name: 'Ada' })).id;
  }

  async verify(token: string): Promise<Principal> {
    const keys = createLocalJWKSet(await this.auth.keys.publicKeys());
    return createTokenVerifier({ keys, clock: this.clock, kind: 'own', ...NAMES })(token);
  }

  /** What the gateways have to hear, in order. */
  async changes(): Promise<Record<string, unknown>[]> {
    const rows = await this.#database.entities((em) =>
      em.find(AccessChangeEntity, {}, { orderBy: { id: 'asc' } }),
    );
    return rows.map(({ change }) => change);
  }

  async endings(userId: string): Promise<unknown[]> {
    return (await this.changes()).filter((change) => change.userId === userId);
  }

  async rows(table: string): Promise<Record<string, unknown>[]> {
    return this.#database.client.query(`select * from ${table}`, []);
  }
}

export type AuthCheck = (world: AuthWorld) => Promise<void>;

/** Each check in a world of its own, without the keys of the one before. */
export function inAuthWorld(
  checks: Record<string, AuthCheck>,
): Record<string, (database: Database) => Promise<void>> {
  return Object.fromEntries(
    Object.entries(checks).map(([name, check]) => [
      name,
      async (database: Database) => {
        await database.client.query('delete from signing_keys', []);
        await check(new AuthWorld(database));
      },
    ]),
  );
}
