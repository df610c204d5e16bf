import { TokenBucket } from 'limiter';
import { LRUCache } from 'lru-cache';
import { AppError } from '../errors.ts';

/** Addresses whose rate is remembered. */
const MAX_ADDRESSES = 50_000;

/** How often one address may try whether a guess is right; each gateway counts for itself. */
export class GuessLimit {
  readonly #perMinute: number;
  readonly #addresses = new LRUCache<string, TokenBucket>({
    maxSize: MAX_ADDRESSES,
    sizeCalculation: () => 1,
  });

  /** 0 is no limit. */
  constructor(perMinute: number) {
    this.#perMinute = perMinute;
  }

  /** Counts a request. Throws RATE_LIMITED, with the time to wait, when there were too many. */
  take(address: string | undefined): void {
    if (this.#perMinute === 0) return;
    const key = networkOf(address ?? '');
    let bucket = this.#addresses.get(key);
    if (!bucket) {
      bucket = new TokenBucket({
        bucketSize: this.#perMinute,
        tokensPerInterval: this.#perMinute,
        interval: 'minute',
      });
      bucket.content = this.#perMinute;
      this.#addresses.set(key, bucket);
    }
    if (!bucket.tryRemoveTokens(1))
      throw new AppError('RATE_LIMITED', { data: { retryAfterMs: bucket.getWaitTime(1) } });
  }
}

/** Whoever has an IPv6 address has the 2^64 beside it as well. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address;
  const [before = '', after] = address.split('::');
  const head = before === '' ? [] : before.split(':');
  const tail = after === undefined || after === '' ? [] : after.split(':');
  const zeros =
    after === undefined ? [] : new Array<string>(Math.max(0, 8 - head.length - tail.length)).fill('0');
  return [...head, ...zeros, ...tail].slice(0, 4).join(':');
}
