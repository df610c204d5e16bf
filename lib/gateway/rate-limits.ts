import { TokenBucket } from 'limiter';
import { LRUCache } from 'lru-cache';
import type { Config } from '../config.ts';
import type { DocumentId } from '../protocol/ids.ts';

/** A pause makes up for so much: what a connection has not used for a while it may send at once. */
const BURST_SECONDS = 5;
/**
 * So many messages a second one connection may have answered that bring nothing. A client that keeps to the protocol sends
 * what it has on its way once more after a nack, some hundreds; one that passes over nacks costs as much as all others.
 */
const VAIN_PER_SECOND = 1_000;
/** The same in bytes, after as many as it may have on its way: to read megabytes that are refused costs the others. */
const VAIN_BYTES_PER_SECOND = 2 * 1024 * 1024;
/** Rooms whose rate is remembered after their last document has gone. */
const MAX_ROOMS = 10_000;
/** A client that is told to wait for less would only come back to be told again. */
const MIN_WAIT_MS = 100;

type Rates = Pick<
  Config,
  | 'connectionUpdatesPerSecond'
  | 'connectionBytesPerSecond'
  | 'roomUpdatesPerSecond'
  | 'roomBytesPerSecond'
  | 'connectionJoinsPerSecond'
  | 'connectionPresencePerSecond'
  | 'maxUpdateBytes'
  | 'maxUnackedBytes'
>;

/** What one connection, or one room at this gateway, may bring in: so many messages and bytes a second. */
export class RateLimit {
  readonly #messages: TokenBucket;
  readonly #bytes: TokenBucket;

  /** A rate of 0 is no limit. `largestBytes` always fits when nothing came before it. */
  constructor(messagesPerSecond: number, bytesPerSecond: number, largestBytes: number) {
    this.#messages = createBucket(messagesPerSecond);
    this.#bytes = createBucket(bytesPerSecond, largestBytes);
  }

  /** Counts a message. Returns 0, or, when it is too much now and is not counted, the milliseconds to wait. */
  take(bytes: number): number {
    if (!this.#messages.tryRemoveTokens(1)) return waitFor(this.#messages, 1);
    if (bytes === 0 || this.#bytes.tryRemoveTokens(bytes)) return 0;
    this.#giveBack(this.#messages, 1);
    return waitFor(this.#bytes, bytes);
  }

  /** Takes back what `take` has counted. */
  restore(bytes: number): void {
    this.#giveBack(this.#messages, 1);
    this.#giveBack(this.#bytes, bytes);
  }

  #giveBack(bucket: TokenBucket, count: number): void {
    bucket.content = Math.min(bucket.bucketSize, bucket.content + count);
  }
}

/** The rate limits of this gateway. Each gateway counts for itself. */
export class RateLimits {
  readonly #rates: Rates;
  /** Bounded by size, not by number: the library makes room for a number beforehand. */
  readonly #rooms = new LRUCache<string, RateLimit>({ maxSize: MAX_ROOMS, sizeCalculation: () => 1 });

  constructor(rates: Rates) {
    this.#rates = rates;
  }

  /** Of a new connection. */
  connection(): RateLimit {
    const { connectionUpdatesPerSecond, connectionBytesPerSecond } = this.#rates;
    return new RateLimit(connectionUpdatesPerSecond, connectionBytesPerSecond, this.#largestBytes);
  }

  /** Of what is not appended, for a new connection. */
  vain(): RateLimit {
    const { connectionUpdatesPerSecond, connectionBytesPerSecond } = this.#rates;
    const perSecond = Math.min(connectionUpdatesPerSecond, VAIN_PER_SECOND);
    const bytesPerSecond = Math.min(connectionBytesPerSecond, VAIN_BYTES_PER_SECOND);
    return new RateLimit(
      perSecond,
      bytesPerSecond,
      Math.max(this.#largestBytes, this.#rates.maxUnackedBytes),
    );
  }

  joins(): RateLimit {
    return new RateLimit(this.#rates.connectionJoinsPerSecond, 0, 0);
  }

  /** Of a connection's cursors, selections and viewports. */
  presence(): RateLimit {
    return new RateLimit(this.#rates.connectionPresencePerSecond, 0, 0);
  }

  /** The same one for all documents of a room. */
  room({ tenantId, roomId }: DocumentId): RateLimit {
    const key = `${encodeURIComponent(tenantId)}/${roomId}`;
    let room = this.#rooms.get(key);
    if (!room) {
      const { roomUpdatesPerSecond, roomBytesPerSecond } = this.#rates;
      room = new RateLimit(roomUpdatesPerSecond, roomBytesPerSecond, this.#largestBytes);
      this.#rooms.set(key, room);
    }
    return room;
  }

  /** An update of the largest size with what its message has around it. */
  get #largestBytes(): number {
    return 2 * this.#rates.maxUpdateBytes;
  }
}

function createBucket(perSecond: number, atLeast = 1): TokenBucket {
  const bucketSize = perSecond === 0 ? 0 : Math.max(perSecond * BURST_SECONDS, atLeast);
  const bucket = new TokenBucket({ bucketSize, tokensPerInterval: perSecond, interval: 'second' });
  bucket.content = bucketSize;
  return bucket;
}

function waitFor(bucket: TokenBucket, count: number): number {
  return Math.max(MIN_WAIT_MS, bucket.getWaitTime(Math.min(count, bucket.bucketSize)));
}
