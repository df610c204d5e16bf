import { apiWebRoutes } from '../http/api.ts';
import { createAccessDoor } from '../http/access-door.ts';
import { authWebRoutes, noSignInWebRoutes } from '../http/auth-routes.ts';
import { GuessLimit } from '../http/guess-limit.ts';
import { operatorWebRoutes } from '../http/operator-routes.ts';
import { RedisCount } from '../http/redis-count.ts';
import { encodeAccessChange, type AccessChange } from '../lifecycle/access-record.ts';
import type { Runtime } from './runtime.ts';
import { tokenVerifierOf } from './token-verifier.ts';

/** What people and machines ask a gateway over HTTP beside the page. */
export interface WebRoutes {
  /** For moleculer-web. */
  routes: object[];
  close(): Promise<void>;
}

export function openWebRoutes(runtime: Runtime): WebRoutes {
  const { config, clock, logger } = runtime;
  const operator = operatorWebRoutes(runtime);
  if (config.auth === 'jwt') openAccessDoor(runtime);
  if (config.auth !== 'accounts')
    return { routes: [...operator, ...noSignInWebRoutes(config)], close: async () => undefined };
  const count = openCount(runtime);
  const parts = {
    config,
    clock,
    logger: logger.child({ part: 'api' }),
    verify: (token: unknown) => tokenVerifierOf(runtime)(token),
    guesses: new GuessLimit(config.guessesPerMinute, count),
    trustedProxyHops: config.trustedProxyHops,
  };
  return {
    routes: [...operator, ...authWebRoutes(parts), ...apiWebRoutes(parts)],
    close: async () => count?.stop(),
  };
}

/** Other systems tell of changed rights; every gateway hears of it on the control topic. */
function openAccessDoor({ config, logger, topics, stream, serveInternal }: Runtime): void {
  if (config.internalSecret === '') return;
  const target = { topic: topics.controlTopic, partition: 0 };
  const announce = async (change: AccessChange) =>
    (await stream()).append(target, [encodeAccessChange(change)]);
  serveInternal(createAccessDoor({ secret: config.internalSecret, announce, logger }));
}

function openCount({ config, clock, logger }: Runtime): RedisCount | undefined {
  const { redisUrl, namespace, guessesPerMinute } = config;
  if (redisUrl === '' || guessesPerMinute === 0) return undefined;
  const prefix = `${namespace}:guesses`;
  return new RedisCount({ url: redisUrl, prefix, perMinute: guessesPerMinute, clock, logger });
}
