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
  /** Memory that waits under several tickets (one cached state for many joins) counts once. */
  readonly #held = new Map<ArrayBufferLike, number>();
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
    const users = this.#held.get(bytes.buffer) ?? 0;
    const added = users === 0 ? bytes.buffer.byteLength : 0;
    if (this.#bytes + added > maxBytes) throw new AppError('STREAM_BUFFER_FULL', { data: { maxBytes } });
    const ticket = randomId();
    const expiry = clock.setTimeout(() => void this.take(ticket), ttlMs);
    this.#waiting.set(ticket, { bytes, expiry });
    this.#held.set(bytes.buffer, users + 1);
    this.#bytes += added;
    return ticket;
  }

  /** Hands the bytes out once; undefined when the ticket is unknown, used or expired. */
  take(ticket: string): Uint8Array | undefined {
    const found = this.#waiting.get(ticket);
    if (!found) return undefined;
    this.#waiting.delete(ticket);
    found.expiry.cancel();
    const { buffer } = found.bytes;
    const users = this.#held.get(buffer)! - 1;
    if (users > 0) this.#held.set(buffer, users);
    else {
      this.#held.delete(buffer);
      this.#bytes -= buffer.byteLength;
    }
    return found.bytes;
  }

  clear(): void {
    for (const ticket of [...this.#waiting.keys()]) this.take(ticket);
  }
}
