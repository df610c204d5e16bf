import type { Clock, TimerHandle } from '../clock.ts';
import { AppError } from '../errors.ts';

export interface StashOptions {
  clock: Clock;
  /** At least 128 random bits as text of [0-9a-zA-Z_-]. */
  randomId: () => string;
  ttlMs: number;
  /** Bytes that may wait at a time. */
  maxBytes: number;
}

/** Results that wait to be fetched once. */
export class BlobStash {
  readonly #options: StashOptions;
  readonly #waiting = new Map<string, { bytes: Uint8Array; expiry: TimerHandle }>();
  #bytes = 0;

  constructor(options: StashOptions) {
    this.#options = options;
  }

  /** Bytes that wait now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Returns the ticket. STREAM_BUFFER_FULL when the bound is reached. The bytes must not be changed afterwards. */
  put(bytes: Uint8Array): string {
    const { clock, randomId, ttlMs, maxBytes } = this.#options;
    if (this.#bytes + bytes.byteLength > maxBytes)
      throw new AppError('STREAM_BUFFER_FULL', { data: { maxBytes } });
    const ticket = randomId();
    const expiry = clock.setTimeout(() => void this.take(ticket), ttlMs);
    this.#waiting.set(ticket, { bytes, expiry });
    this.#bytes += bytes.byteLength;
    return ticket;
  }

  /** Hands the bytes out once; undefined when the ticket is unknown, used or expired. */
  take(ticket: string): Uint8Array | undefined {
    const found = this.#waiting.get(ticket);
    if (!found) return undefined;
    this.#waiting.delete(ticket);
    this.#bytes -= found.bytes.byteLength;
    found.expiry.cancel();
    return found.bytes;
  }

  clear(): void {
    for (const ticket of [...this.#waiting.keys()]) this.take(ticket);
  }
}
