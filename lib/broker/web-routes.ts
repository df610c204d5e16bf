import { apiWebRoutes } from '../http/api.ts';
import { createAccessDoor } from '../http/access-door.ts';
import { authWebRoutes, noSignInWebRoutes } from '../http/auth-routes.ts';
import { operatorWebRoutes } from '../http/operator-routes.ts';
import { RedisCounts } from '../http/redis-counts.ts';
import { RequestLimit } from '../http/request-limit.ts';
import type { Principal } from '../accounts/principal.ts';
import type { TokenVerifier } from '../accounts/tokens.ts';
import { AppError } from '../errors.ts';
import { encodeAccessChange, type AccessChange } from '../lifecycle/access-record.ts';
import type { NackCode } from '../protocol/nack-codes.ts';
import type { Runtime } from './runtime.ts';
import { tokenVerifierOf } from './token-verifier.ts';

/** What people and machines ask a gateway over HTTP beside the page. */
export interface WebRoutes {
  /** For moleculer-web. */
  routes: object[];
  close(): Promise<void>;
}

/** Why the token of an ended session is not taken, or that nobody can tell now. */
export type EndedCheck = (who: Pick<Principal, 'sessionId'>) => Promise<NackCode | undefined>;

export function openWebRoutes(runtime: Runtime, refusalOf: EndedCheck): WebRoutes {
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
    verify: exceptEnded((token) => tokenVerifierOf(runtime)(token), refusalOf),
    guesses: limit('guesses', config.guessesPerMinute),
    presence: limit('presence-questions', config.presenceQuestionsPerMinute),
    trustedProxyHops: config.trustedProxyHops,
  };
  return {
    routes: [...operator, ...authWebRoutes(parts), ...apiWebRoutes(parts)],
    close: async () => counts?.stop(),
  };
}

/** Takes no token of a session that has ended; rejects with SERVICE_UNAVAILABLE while nobody can tell. */
export function exceptEnded(verify: TokenVerifier, refusalOf: EndedCheck): TokenVerifier {
  return async (token) => {
    const principal = await verify(token);
    const code = await refusalOf(principal);
    if (code === undefined) return principal;
    throw new AppError(code === 'UNAUTHENTICATED' ? code : 'SERVICE_UNAVAILABLE');
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
