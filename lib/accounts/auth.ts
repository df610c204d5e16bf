import type { Logger } from '../log.ts';
import type { Accounts } from './accounts.ts';
import { Sealer } from './sealer.ts';
import { Sessions } from './sessions.ts';
import { SigningKeys } from './signing-keys.ts';
import { AccessTokens, type TokenNames } from './tokens.ts';

/** Sign-in, sessions and tokens, on the database of the accounts. */
export interface Auth {
  readonly keys: SigningKeys;
  readonly tokens: AccessTokens;
  readonly sessions: Sessions;
}

export interface AuthOptions extends TokenNames {
  accounts: Pick<Accounts, 'context'>;
  logger: Logger;
  /** Of the installation: the same in every process that signs in. */
  secret: string;
  accessTokenMs: number;
  /** A session that is not refreshed for so long ends. */
  sessionIdleMs: number;
}

export function createAuth({ accounts, logger, secret, ...options }: AuthOptions): Auth {
  const { context } = accounts;
  const sealer = new Sealer(secret);
  const keys = new SigningKeys(context, { sealer, logger });
  const { issuer, audience, accessTokenMs, sessionIdleMs } = options;
  return {
    keys,
    tokens: new AccessTokens(keys, { issuer, audience, clock: context.clock, lifeMs: accessTokenMs }),
    sessions: new Sessions(context, { sealer, logger, idleMs: sessionIdleMs }),
  };
}
