import { apiWebRoutes } from '../http/api.ts';
import { GuessLimit } from '../http/guess-limit.ts';
import { operatorWebRoutes } from '../http/operator-routes.ts';
import type { Runtime } from './runtime.ts';
import { tokenVerifierOf } from './token-verifier.ts';

/** Routes of moleculer-web: what people and machines ask a gateway over HTTP beside the page. */
export function webRoutesOf(runtime: Runtime): object[] {
  const { config, logger } = runtime;
  const operator = operatorWebRoutes(runtime);
  if (config.auth !== 'accounts') return [...operator];
  const api = apiWebRoutes({
    logger: logger.child({ part: 'api' }),
    verify: (token) => tokenVerifierOf(runtime)(token),
    guesses: new GuessLimit(config.guessesPerMinute),
    trustedProxyHops: config.trustedProxyHops,
  });
  return [...operator, ...api];
}
