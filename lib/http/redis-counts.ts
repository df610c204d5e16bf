import { RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { createClient } from 'redis';
import type { Clock } from '../clock.ts';
import { withDeadline } from '../gateway/deadline.ts';
import type { Logger } from '../log.ts';
import type { SharedCount } from './request-limit.ts';

export interface RedisCountsParts {
  url: string;
  clock: Clock;
  logger: Logger;
}

export interface CountOptions {
  /** Before the keys. */
  prefix: string;
  perMinute: number;
}

const MINUTE_SECONDS = 60;
const CONNECT_TIMEOUT_MS = 5_000;
const MAX_RETRY_MS = 2_000;
/** A request waits no longer for a Redis that hangs. */
const ANSWER_LIMIT_MS = 500;

/**
 * Counts in Redis, for all gateways together and over one connection. While Redis does not answer nobody is refused by
 * it.
 */
export class RedisCounts {
  readonly #client: ReturnType<typeof createClient>;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #hasComplained = false;

  constructor({ url, clock, logger }: RedisCountsParts) {
    this.#clock = clock;
    this.#logger = logger;
    this.#client = createClient({
      url,
      disableOfflineQueue: true,
      socket: {
        connectTimeout: CONNECT_TIMEOUT_MS,
        reconnectStrategy: (retries) => Math.min(MAX_RETRY_MS, 100 * 2 ** retries),
      },
    });
    this.#client.on('error', (error: unknown) => this.#complain(error));
    this.#client.connect().catch((error: unknown) => this.#complain(error));
  }

  /** `perMinute` for a key in each minute from its first one on. */
  count({ prefix, perMinute }: CountOptions): SharedCount {
    const limiter = new RateLimiterRedis({
      storeClient: this.#client,
      useRedisPackage: true,
      rejectIfRedisNotReady: true,
      keyPrefix: prefix,
      points: perMinute,
      duration: MINUTE_SECONDS,
    });
    return { waitMs: (key) => this.#waitMs(limiter, key) };
  }

  /** A Redis that is away is not waited for. */
  async stop(): Promise<void> {
    if (this.#client.isReady) await this.#client.close();
    else this.#client.destroy();
  }

  async #waitMs(limiter: RateLimiterRedis, key: string): Promise<number> {
    try {
      await withDeadline(this.#clock, ANSWER_LIMIT_MS, limiter.consume(key));
      this.#hasComplained = false;
    } catch (refusal) {
      if (refusal instanceof RateLimiterRes) return Math.max(1, refusal.msBeforeNext);
      this.#complain(refusal);
    }
    return 0;
  }

  #complain(error: unknown): void {
    if (this.#hasComplained) return;
    this.#hasComplained = true;
    this.#logger.warn({ err: error }, 'redis does not answer; each gateway counts requests for itself');
  }
}
