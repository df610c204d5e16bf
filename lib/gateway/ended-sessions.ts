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
  /** Ids of ended sessions and revoked service tokens whose tokens would still be taken; nobody is asked without it. */
  revokedTokens?: () => Promise<readonly string[]>;
}

/** Of those that were heard of since the list was asked for. */
export const MAX_HEARD = 50_000;
/** The list is asked for again after so long, beside what is heard. */
const FRESH_MS = 5 * 60_000;
/** While nothing may be heard it is asked for again after so long, as it is when it could not be had. */
const RETRY_MS = 5_000;

/**
 * Sessions that have ended before their tokens have. They are heard of on the control topic. What was said before this
 * gateway came is in the list of those whose tokens would still be taken: it is asked for before the first token is
 * taken, and again when something may have been missed.
 */
export class EndedSessions {
  readonly #parts: EndedSessionsParts;
  /** When each was heard of, by the clock. */
  readonly #heard = new LRUCache<string, number>({ max: MAX_HEARD });
  #listed: ReadonlySet<string> = new Set();
  /** When the list was asked for, by the clock; undefined while something may be missing in it. */
  #listedAt: number | undefined;
  #asking: Promise<void> | undefined;
  #askedAt = -Infinity;
  #gaps = 0;
  /** A token has come here. */
  #isNeeded = false;
  #hasComplained = false;

  constructor(parts: EndedSessionsParts) {
    this.#parts = parts;
  }

  /** True when this gateway knows of the end of the session. */
  has(sessionId: string): boolean {
    return this.#heard.has(sessionId) || this.#listed.has(sessionId);
  }

  /** Why a token is not taken: its session has ended, or nobody can tell now. */
  async refusalOf({ sessionId }: Pick<Identity, 'sessionId'>): Promise<NackCode | undefined> {
    if (sessionId === undefined) return undefined;
    if (this.#parts.revokedTokens) {
      this.#isNeeded = true;
      // What was under way when something was missed does not count.
      while (this.#listedAt === undefined) if (!(await this.#ask())) return 'UNAVAILABLE';
    }
    return this.has(sessionId) ? 'UNAUTHENTICATED' : undefined;
  }

  onEnded(sessionId: string): void {
    // One more, and the first of them is forgotten, which the list has.
    if (this.#heard.size >= MAX_HEARD && this.#listedAt !== undefined) this.onGap();
    this.#heard.set(sessionId, this.#parts.clock.now());
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
      if (!this.#hasComplained) this.#parts.logger.warn({ err: error }, 'ended sessions cannot be asked for');
      this.#hasComplained = true;
      return false;
    }
  }

  async #list(): Promise<void> {
    const gaps = this.#gaps;
    const now = this.#parts.clock.now();
    this.#askedAt = now;
    this.#listed = new Set(await this.#parts.revokedTokens?.());
    if (gaps === this.#gaps) this.#listedAt = now;
    // Who is told of an end finds it in the database: what was heard before the question is in the answer.
    for (const [sessionId, heardAt] of [...this.#heard.entries()])
      if (heardAt < now) this.#heard.delete(sessionId);
    this.#close();
  }

  #close(): void {
    for (const session of [...this.#parts.sessions]) {
      const { sessionId } = session.identity;
      if (sessionId !== undefined && this.has(sessionId)) session.close('UNAUTHENTICATED');
    }
  }
}
