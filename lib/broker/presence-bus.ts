import { RedisPresenceBus } from '../presence/redis.ts';
import type { PresenceBus, PresenceBusEvents } from '../presence/bus.ts';
import { BEATS_BETWEEN_ALL } from '../presence/shared-presence.ts';
import type { Runtime } from './runtime.ts';

/** Everything is renewed so many times before it expires. */
const RENEWALS = 3;

/** Where gateways keep and hear who is there, when that is not the awareness topics: Redis with `REDIS_URL`. */
export function openPresenceBus({ config, clock, logger }: Pick<Runtime, 'config' | 'clock' | 'logger'>): {
  presenceBus?: (gatewayId: string, events: PresenceBusEvents) => PresenceBus;
} {
  if (config.redisUrl === '') return {};
  return {
    presenceBus: (gatewayId, events) =>
      new RedisPresenceBus({
        url: config.redisUrl,
        clock,
        logger: logger.child({ part: 'presence' }),
        gatewayId,
        beatTimeoutMs: config.beatTimeoutMs,
        defaultTenant: config.tenant,
        expireMs: RENEWALS * BEATS_BETWEEN_ALL * config.beatIntervalMs,
        events,
      }),
  };
}
