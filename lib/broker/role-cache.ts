import { Cachers, type ServiceBroker } from 'moleculer';
import type { RoleCache } from '../gateway/shared-roles.ts';
import type { Runtime } from './runtime.ts';

/** What takes longer is asked of the service instead. */
const COMMAND_LIMIT_MS = 250;
const CONNECT_TIMEOUT_MS = 5_000;
const MAX_RETRY_MS = 2_000;
const KEEP_ALIVE_MS = 10_000;

interface RedisClient {
  on(event: 'error', listener: (error: unknown) => void): void;
  on(event: 'ready', listener: () => void): void;
  disconnect(): void;
}

/** Moleculer's Redis cacher as the gateways use it; closed with the broker. */
export function openRoleCache(broker: ServiceBroker, runtime: Pick<Runtime, 'config' | 'logger'>): RoleCache {
  const { config, logger } = runtime;
  const cacher = new Cachers.Redis<RedisClient>({
    prefix: `${config.namespace}-rights`,
    redis: {
      ...connectionOf(config.redisUrl),
      connectTimeout: CONNECT_TIMEOUT_MS,
      commandTimeout: COMMAND_LIMIT_MS,
      keepAlive: KEEP_ALIVE_MS,
      // What cannot be sent now is not wanted later.
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      retryStrategy: (attempt: number) => Math.min(MAX_RETRY_MS, 50 * 2 ** Math.min(attempt, 10)),
    },
  });
  cacher.init(broker);
  let hasComplained = false;
  cacher.client.on('error', (error) => {
    if (!hasComplained) logger.warn({ err: error }, 'Redis is away: rights are asked of the service');
    hasComplained = true;
  });
  cacher.client.on('ready', () => (hasComplained = false));
  broker.localBus.once('$broker.stopped', () => cacher.client.disconnect());
  return {
    get: async (key) => cacher.get(key),
    set: async (key, value, ttlMs) => void (await cacher.set(key, value, Math.ceil(ttlMs / 1_000))),
  };
}

/** The parts of a `redis:` or `rediss:` URL, as ioredis names them. */
export function connectionOf(redisUrl: string) {
  const url = new URL(redisUrl);
  const db = Number.parseInt(url.pathname.slice(1), 10);
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? 6_379 : Number(url.port),
    ...(url.username === '' ? {} : { username: decodeURIComponent(url.username) }),
    ...(url.password === '' ? {} : { password: decodeURIComponent(url.password) }),
    ...(Number.isNaN(db) ? {} : { db }),
    ...(url.protocol === 'rediss:' ? { tls: {} } : {}),
  };
}
