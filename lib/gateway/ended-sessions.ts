import { LRUCache } from 'lru-cache';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { NackCode } from '../protocol/nack-codes.ts';
import type { ClientSession } from './client-session.ts';
import type { Identity } from './port.ts';

export interface EndedSessionsParts {
  clock: Pick<Clock, 'now'>;
  logger: Logger;
  sessions: ReadonlySet<Pick<ClientSession, 'identity' | 'close'>>;
  /** Ids of service tokens that were revoked and would still be taken; nobody is asked without it. */
  revokedTokens?: () => Promise<readonly string[]>;
}

/** Of those that are heard of. */
const MAX_HEARD = 50_000;
/** The list is asked for again after so long, beside what is heard. */
const FRESH_MS = 5 * 60_000;
/** While nothing may be heard it is asked for again after so long, as it is when it could not be had. */
const RETRY_MS = 5_000;

/**
 * Sessions that have ended before their tokens have. They are heard of on the control topic. A person's token lives on
 * for minutes only; a service token does for a day, so the list of those that were revoked is asked for as well: before
 * the first one is let in, and again when something may have been missed.
 */
export class EndedSessions {
  readonly #parts: EndedSessionsParts;
  readonly #heard = new LRUCache<string, true>({ max: MAX_HEARD });
  #revoked: ReadonlySet<string> = new Set();
  /** When the list was asked for, by the clock; undefined while something may be missing in it. */
  #listedAt: number | undefined;
  #asking: Promise<void> | undefined;
  #askedAt = -Infinity;
  #gaps = 0;
  /** A service token has come here. */
  #isNeeded = false;
  #hasComplained = false;

  constructor(parts: EndedSessionsParts) {
    this.#parts = parts;
  }

  /** True when this gateway knows of the end of the session. */
  has(sessionId: string): boolean {
    return this.#heard.has(sessionId) || this.#revoked.has(sessionId);
  }

  /** Why a connection is not let in: its session has ended, or nobody can tell now. */
  async refusalOf({ sessionId, isService }: Identity): Promise<NackCode | undefined> {
    if (sessionId === undefined) return undefined;
    if (isService && this.#parts.revokedTokens) {
      this.#isNeeded = true;
      // What was under way when something was missed does not count.
      while (this.#listedAt === undefined) if (!(await this.#ask())) return 'UNAVAILABLE';
    }
    return this.has(sessionId) ? 'UNAUTHENTICATED' : undefined;
  }

  onEnded(sessionId: string): void {
    this.#heard.set(sessionId, true);
    this.#close();
  }

  /** Something may have been missed. */
  onGap(): void {
    this.#gaps++;
    this.#listedAt = undefined;
    this.#askedAt = -Infinity;
  }

  /** To be called about once a second. `isHearing`: the control topic is read. */
  check({ isHearing }: { isHearing: boolean }): void {
    const now = this.#parts.clock.now();
    const freshMs = isHearing ? FRESH_MS : RETRY_MS;
    const isFresh = this.#listedAt !== undefined && now - this.#listedAt < freshMs;
    if (this.#isNeeded && !isFresh && now - this.#askedAt >= RETRY_MS) void this.#ask();
  }

  /** False when the list cannot be had now. One question at a time. */
  async #ask(): Promise<boolean> {
    this.#asking ??= this.#list().finally(() => (this.#asking = undefined));
    try {
      await this.#asking;
      this.#hasComplained = false;
      return true;
    } catch (error) {
      // Once for an outage: it is tried again with every look.
      if (!this.#hasComplained)
        this.#parts.logger.warn({ err: error }, 'revoked service tokens cannot be asked for');
      this.#hasComplained = true;
      return false;
    }
  }

  async #list(): Promise<void> {
    const gaps = this.#gaps;
    const now = this.#parts.clock.now();
    this.#askedAt = now;
    this.#revoked = new Set(await this.#parts.revokedTokens?.());
    if (gaps === this.#gaps) this.#listedAt = now;
    this.#close();
  }

  #close(): void {
    for (const session of [...this.#parts.sessions]) {
      const { sessionId } = session.identity;
      if (sessionId !== undefined && this.has(sessionId)) session.close('UNAUTHENTICATED');
    }
  }
}
