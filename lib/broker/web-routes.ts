import { apiWebRoutes } from '../http/api.ts';
import { authWebRoutes } from '../http/auth-routes.ts';
import { GuessLimit } from '../http/guess-limit.ts';
import { operatorWebRoutes } from '../http/operator-routes.ts';
import type { Runtime } from './runtime.ts';
import { tokenVerifierOf } from './token-verifier.ts';

/** Routes of moleculer-web: what people and machines ask a gateway over HTTP beside the page. */
export function webRoutesOf(runtime: Runtime): object[] {
  const { config, clock, logger } = runtime;
  const operator = operatorWebRoutes(runtime);
  if (config.auth !== 'accounts') return [...operator];
  const parts = {
    config,
    clock,
    logger: logger.child({ part: 'api' }),
    verify: (token: unknown) => tokenVerifierOf(runtime)(token),
    guesses: new GuessLimit(config.guessesPerMinute),
    trustedProxyHops: config.trustedProxyHops,
  };
  return [...operator, ...authWebRoutes(parts), ...apiWebRoutes(parts)];
}
