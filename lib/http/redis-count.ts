import { RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { createClient } from 'redis';
import type { Clock } from '../clock.ts';
import { withDeadline } from '../gateway/deadline.ts';
import type { Logger } from '../log.ts';
import type { SharedCount } from './guess-limit.ts';

export interface RedisCountParts {
  url: string;
  /** Before the keys. */
  prefix: string;
  perMinute: number;
  clock: Clock;
  logger: Logger;
}

const MINUTE_SECONDS = 60;
const CONNECT_TIMEOUT_MS = 5_000;
const MAX_RETRY_MS = 2_000;
/** A request waits no longer for a Redis that hangs. */
const ANSWER_LIMIT_MS = 500;

/**
 * Counts in Redis, for all gateways together: `perMinute` for a key in each minute from its first one on. While Redis
 * does not answer nobody is refused by it.
 */
export class RedisCount implements SharedCount {
  readonly #client: ReturnType<typeof createClient>;
  readonly #limiter: RateLimiterRedis;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #hasComplained = false;

  constructor({ url, prefix, perMinute, clock, logger }: RedisCountParts) {
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
    this.#limiter = new RateLimiterRedis({
      storeClient: this.#client,
      useRedisPackage: true,
      rejectIfRedisNotReady: true,
      keyPrefix: prefix,
      points: perMinute,
      duration: MINUTE_SECONDS,
    });
    this.#client.connect().catch((error: unknown) => this.#complain(error));
  }

  async waitMs(key: string): Promise<number> {
    try {
      await withDeadline(this.#clock, ANSWER_LIMIT_MS, this.#limiter.consume(key));
      this.#hasComplained = false;
    } catch (refusal) {
      if (refusal instanceof RateLimiterRes) return Math.max(1, refusal.msBeforeNext);
      this.#complain(refusal);
    }
    return 0;
  }

  /** A Redis that is away is not waited for. */
  async stop(): Promise<void> {
    if (this.#client.isReady) await this.#client.close();
    else this.#client.destroy();
  }

  #complain(error: unknown): void {
    if (this.#hasComplained) return;
    this.#hasComplained = true;
    this.#logger.warn({ err: error }, 'redis does not answer; each gateway counts guesses for itself');
  }
}
