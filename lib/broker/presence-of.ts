import type { ServiceBroker } from 'moleculer';
import { AskedGateways } from '../presence/asked-gateways.ts';
import type { PeopleSlice, PresenceReader } from '../presence/reader.ts';
import { RedisPresenceReader } from '../presence/redis-reader.ts';
import type { Runtime } from './runtime.ts';

/** A gateway that is busy for longer counts as one that does not answer. */
const ASK_LIMIT_MS = 1_500;
const PEOPLE_ACTION = 'gateway.people.list';

/** What broker.registry has beyond its published types. */
interface Catalog {
  get(action: string): { endpoints: readonly { id: string; isAvailable: boolean }[] } | undefined;
}

/** How the presence service learns who is where: from Redis with `REDIS_URL`, else from the gateways. */
export function openPresenceReader(broker: ServiceBroker, runtime: Runtime): PresenceReader {
  const { config, clock, logger } = runtime;
  if (config.redisUrl === '') return askGateways(broker);
  return new RedisPresenceReader({
    url: config.redisUrl,
    clock,
    logger: logger.child({ part: 'presence' }),
    id: runtime.randomId(),
    beatIntervalMs: config.beatIntervalMs,
    beatTimeoutMs: config.beatTimeoutMs,
    defaultTenant: config.tenant,
  });
}

function askGateways(broker: ServiceBroker): PresenceReader {
  const catalog = (broker.registry as unknown as { actions: Catalog }).actions;
  const ask = <T>(nodeID: string, action: string, params: object) =>
    // Whoever asks comes again; a gateway that is asked twice only has more to do.
    broker.call<T, object>(action, params, { nodeID, timeout: ASK_LIMIT_MS, retries: 0 });
  return new AskedGateways({
    ids: () => {
      const endpoints = catalog.get(PEOPLE_ACTION)?.endpoints ?? [];
      return endpoints.filter(({ isAvailable }) => isAvailable).map(({ id }) => id);
    },
    people: (id, room, window) => ask<PeopleSlice>(id, PEOPLE_ACTION, { ...room, ...window }),
    count: async (id, rooms) =>
      (await ask<{ counts: number[] }>(id, 'gateway.people.count', { rooms })).counts,
  });
}
