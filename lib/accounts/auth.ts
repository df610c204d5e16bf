import type { ProviderSettings } from '../config-accounts.ts';
import type { Logger } from '../log.ts';
import type { Accounts } from './accounts.ts';
import { revokedIds } from './ended-sessions.ts';
import { withLocalSignIn } from './local-sign-in.ts';
import { Providers, type SignInProviders } from './providers.ts';
import { Sealer } from './sealer.ts';
import { ServiceTokens } from './service-tokens.ts';
import { Sessions } from './sessions.ts';
import { SignIns } from './sign-ins.ts';
import { SigningKeys } from './signing-keys.ts';
import { AccessTokens, type TokenNames } from './tokens.ts';

/** Sign-in, sessions and tokens, on the database of the accounts. */
export interface Auth {
  readonly keys: SigningKeys;
  readonly tokens: AccessTokens;
  readonly sessions: Sessions;
  readonly serviceTokens: ServiceTokens;
  readonly providers: SignInProviders;
  readonly signIns: SignIns;
  /** Of ended sessions and revoked service tokens whose tokens would still be taken, a page behind `after`. */
  revokedIds(after?: string): Promise<string[]>;
}

export interface AuthOptions extends TokenNames {
  accounts: Pick<Accounts, 'context' | 'users'>;
  logger: Logger;
  /** Of the installation: the same in every process that signs in. */
  secret: string;
  accessTokenMs: number;
  /** A session that is not refreshed for so long ends. */
  sessionIdleMs: number;
  providers: readonly ProviderSettings[];
  /** People sign in by their name alone, too. */
  hasLocalSignIn?: boolean;
}

export function createAuth({ accounts, logger, secret, ...options }: AuthOptions): Auth {
  const { context, users } = accounts;
  const { clock } = context;
  const sealer = new Sealer(secret);
  const keys = new SigningKeys(context, { sealer, logger });
  const { issuer, audience, accessTokenMs, sessionIdleMs } = options;
  const tokens = new AccessTokens(keys, { issuer, audience, clock, lifeMs: accessTokenMs });
  const sessions = new Sessions(context, { sealer, logger, idleMs: sessionIdleMs });
  const serviceTokens = new ServiceTokens(context, tokens);
  const configured = new Providers(options.providers, { clock, logger });
  const providers = options.hasLocalSignIn ? withLocalSignIn(configured) : configured;
  const signIns = new SignIns(context, { providers, users, sessions, tokens });
  return {
    ...{ keys, tokens, sessions, serviceTokens, providers, signIns },
    revokedIds: (after) => revokedIds(context, after),
  };
}
