import { TokenBucket } from 'limiter';
import { LRUCache } from 'lru-cache';
import { AppError } from '../errors.ts';

/** Keys whose rate is remembered. */
const MAX_KEYS = 50_000;

/** A count that all gateways share. */
export interface SharedCount {
  /** Counts one for the key; resolves with the time to wait when there were too many, and with 0 when it cannot tell. */
  waitMs(key: string): Promise<number>;
}

/** How often one address, or one person, may ask something: at this gateway, and at all together with a shared count. */
export class RequestLimit {
  readonly #perMinute: number;
  readonly #shared: SharedCount | undefined;
  readonly #buckets = new LRUCache<string, TokenBucket>({
    maxSize: MAX_KEYS,
    sizeCalculation: () => 1,
  });

  /** 0 is no limit. */
  constructor(perMinute: number, shared?: SharedCount) {
    this.#perMinute = perMinute;
    this.#shared = shared;
  }

  /** Counts a request. Rejects with RATE_LIMITED, with the time to wait, when there were too many. */
  async take(key: string): Promise<void> {
    if (this.#perMinute === 0) return;
    // Here first: whoever is over it already costs the others nothing.
    const retryAfterMs = this.#waitHereMs(key) || (await this.#shared?.waitMs(key)) || 0;
    if (retryAfterMs > 0) throw new AppError('RATE_LIMITED', { data: { retryAfterMs } });
  }

  #waitHereMs(key: string): number {
    let bucket = this.#buckets.get(key);
    if (!bucket) {
      bucket = new TokenBucket({
        bucketSize: this.#perMinute,
        tokensPerInterval: this.#perMinute,
        interval: 'minute',
      });
      bucket.content = this.#perMinute;
      this.#buckets.set(key, bucket);
    }
    return bucket.tryRemoveTokens(1) ? 0 : Math.max(1, bucket.getWaitTime(1));
  }
}

/** The key of an address: whoever has an IPv6 address has the 2^64 beside it as well. */
export function networkOf(address = ''): string {
  if (!address.includes(':')) return address;
  const [before = '', after] = address.split('::');
  const head = before === '' ? [] : before.split(':');
  const tail = after === undefined || after === '' ? [] : after.split(':');
  const zeros =
    after === undefined ? [] : new Array<string>(Math.max(0, 8 - head.length - tail.length)).fill('0');
  return [...head, ...zeros, ...tail].slice(0, 4).join(':');
}
