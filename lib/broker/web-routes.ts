import { apiWebRoutes } from '../http/api.ts';
import { createAccessDoor } from '../http/access-door.ts';
import { authWebRoutes, noSignInWebRoutes } from '../http/auth-routes.ts';
import { operatorWebRoutes } from '../http/operator-routes.ts';
import { RedisCounts } from '../http/redis-counts.ts';
import { RequestLimit } from '../http/request-limit.ts';
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
  const counts =
    config.redisUrl === '' ? undefined : new RedisCounts({ url: config.redisUrl, clock, logger });
  const limit = (name: string, perMinute: number) => {
    const options = { prefix: `${config.namespace}:${name}`, perMinute };
    return new RequestLimit(perMinute, perMinute === 0 ? undefined : counts?.count(options));
  };
  const parts = {
    config,
    clock,
    logger: logger.child({ part: 'api' }),
    verify: (token: unknown) => tokenVerifierOf(runtime)(token),
    guesses: limit('guesses', config.guessesPerMinute),
    presence: limit('presence-questions', config.presenceQuestionsPerMinute),
    trustedProxyHops: config.trustedProxyHops,
  };
  return {
    routes: [...operator, ...authWebRoutes(parts), ...apiWebRoutes(parts)],
    close: async () => counts?.stop(),
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
