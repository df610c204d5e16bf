import { createAuth, type Auth } from '../accounts/auth.ts';
import { secretIn } from '../accounts/secret-file.ts';
import type { TokenNames } from '../accounts/tokens.ts';
import type { Config } from '../config.ts';
import { offersLocalSignIn } from '../config-accounts.ts';
import { AppError } from '../errors.ts';
import { accountsOf } from './accounts-of.ts';
import type { Runtime } from './runtime.ts';

const DAY_MS = 24 * 3_600_000;
const OWN_NAME = 'y-kafka';

/** `iss` and `aud` of access tokens. */
export function tokenNamesOf({
  jwtIssuer,
  jwtAudience,
}: Pick<Config, 'jwtIssuer' | 'jwtAudience'>): TokenNames {
  return { issuer: jwtIssuer || OWN_NAME, audience: jwtAudience || OWN_NAME };
}

/** Sign-in, sessions and tokens of this process. Rejects with BAD_CONFIG without a secret in cluster mode. */
export async function openAuth(runtime: Runtime): Promise<Auth> {
  const { config, logger } = runtime;
  return createAuth({
    accounts: await accountsOf(runtime),
    logger: logger.child({ part: 'auth' }),
    secret: await secretOf(config),
    ...tokenNamesOf(config),
    accessTokenMs: config.accessTokenSeconds * 1_000,
    sessionIdleMs: config.sessionDays * DAY_MS,
    providers: config.authProviders,
    hasLocalSignIn: offersLocalSignIn(config),
  });
}

async function secretOf({ secret, mode, dataDir }: Config): Promise<string> {
  if (secret !== '') return secret;
  if (mode === 'embedded') return secretIn(dataDir);
  throw new AppError('BAD_CONFIG', { message: 'YKAFKA_SECRET is needed by a service that signs people in.' });
}
