import { LockMode } from '@mikro-orm/core';
import { AppError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { nowOf, type AccountsContext, type EntityManager } from './context.ts';
import { endSession } from './ended-sessions.ts';
import { SessionEntity, SpentTokenEntity } from './entities.ts';
import { hashOf } from './hashes.ts';
import { pageOf, windowOf, type ListQuery, type Page } from './paging.ts';
import type { Sealer } from './sealer.ts';

/** A replaced token that comes again within this time is a second tab, or a lost answer; later it was stolen. */
export const REUSE_GRACE_MS = 30_000;
/** A session that is refreshed all the time ends after this many times its idle time: one signs in anew. */
const MAX_LIVES = 6;
const MAX_USER_AGENT_LENGTH = 256;
const LOCKED = { lockMode: LockMode.PESSIMISTIC_WRITE };
/** Far more refreshes than anybody makes within the grace. */
const MAX_CHAIN = 100;

export interface OpenSession {
  sessionId: string;
  userId: string;
  /** The new one; only its hash is stored. */
  token: string;
  expiresAt: Date;
}

export interface SessionView {
  id: string;
  userAgent: string | null;
  createdAt: string;
  refreshedAt: string;
  expiresAt: string;
  /** It is the one that asks. */
  isCurrent: boolean;
}

interface SessionRow {
  id: string;
  userId: string;
  token: string;
  userAgent?: string | null;
  expiresAt: Date;
  refreshedAt: Date;
  createdAt: Date;
}

export interface SessionOptions {
  sealer: Sealer;
  logger: Logger;
  /** A session that is not refreshed for so long ends. */
  idleMs: number;
}

/** Sign-ins that last: a token in a cookie, replaced at each refresh. */
export class Sessions {
  readonly #context: AccountsContext;
  readonly #options: SessionOptions;

  constructor(context: AccountsContext, options: SessionOptions) {
    this.#context = context;
    this.#options = options;
  }

  create(userId: string, userAgent?: string): Promise<OpenSession> {
    return this.#context.database.entities(async (em) => {
      const now = nowOf(this.#context);
      const [sessionId, token] = [this.#context.newId(), this.#context.newToken()];
      const expiresAt = this.#expiry(now, now);
      // Nobody asks for these any more.
      await em.execute('delete from sessions where user_id = ? and expires_at < ?', [userId, now]);
      em.create(
        SessionEntity,
        {
          id: sessionId,
          userId,
          token: hashOf(token),
          userAgent: userAgent?.slice(0, MAX_USER_AGENT_LENGTH) ?? null,
          expiresAt,
          refreshedAt: now,
          createdAt: now,
        },
        { persist: true },
      );
      return { sessionId, userId, token, expiresAt };
    });
  }

  /**
   * Replaces the token. A token that was replaced less than 30 s ago gets the one that is valid now, so that two tabs
   * and a lost answer do no harm; one that was replaced before ends the session. Rejects with UNAUTHENTICATED.
   */
  async refresh(token: string): Promise<OpenSession> {
    const outcome = await this.#context.database.entities(async (em) => {
      const now = nowOf(this.#context);
      const session = await em.findOne(SessionEntity, { token: hashOf(token) }, LOCKED);
      if (session) return session.expiresAt > now ? this.#rotate(em, session, token) : 'unknown';
      return this.#again(em, token);
    });
    if (typeof outcome !== 'string') return outcome;
    if (outcome === 'stolen')
      this.#options.logger.warn({}, 'session ended because a replaced token was used again');
    throw new AppError('UNAUTHENTICATED');
  }

  /** Ends the session that the token belongs, or belonged, to. Does nothing for an unknown one. */
  end(token: string): Promise<void> {
    return this.#context.database.entities(async (em) => {
      const hash = hashOf(token);
      const spent = await em.findOne(SpentTokenEntity, { token: hash });
      const session = await em.findOne(SessionEntity, spent ? { id: spent.sessionId } : { token: hash });
      if (session) await endSession(em, session, this.#context);
    });
  }

  /** Ends one of one's own sessions; rejects with NOT_FOUND. */
  endOne(userId: string, sessionId: string): Promise<void> {
    return this.#context.database.entities(async (em) => {
      const session = await em.findOne(SessionEntity, { id: sessionId, userId });
      if (!session) throw new AppError('NOT_FOUND');
      await endSession(em, session, this.#context);
    });
  }

  /** One's own, the newest first unless something else is asked. */
  list(
    userId: string,
    { currentId, ...query }: ListQuery & { currentId?: string | undefined } = {},
  ): Promise<Page<SessionView>> {
    const window = windowOf(query, {
      sortable: ['createdAt', 'refreshedAt', 'expiresAt'],
      fallback: '-createdAt',
      tieBreaker: 'id',
    });
    return this.#context.database.entities(async (em) => {
      const own = { userId, expiresAt: { $gt: nowOf(this.#context) } };
      const [rows, total] = await em.findAndCount(SessionEntity, own, window);
      const views = rows.map((row: SessionRow) => ({
        id: row.id,
        userAgent: row.userAgent ?? null,
        createdAt: row.createdAt.toISOString(),
        refreshedAt: row.refreshedAt.toISOString(),
        expiresAt: row.expiresAt.toISOString(),
        isCurrent: row.id === currentId,
      }));
      return pageOf(views, total, query);
    });
  }

  async #rotate(em: EntityManager, session: SessionRow, token: string): Promise<OpenSession> {
    const now = nowOf(this.#context);
    // Older ones are beyond the life of the cookie that they were in.
    const forgotten = new Date(now.getTime() - this.#options.idleMs);
    await em.nativeDelete(SpentTokenEntity, { sessionId: session.id, spentAt: { $lt: forgotten } });
    const next = this.#options.sealer.successorOf(token);
    em.create(
      SpentTokenEntity,
      { token: session.token, sessionId: session.id, spentAt: now },
      { persist: true },
    );
    const expiresAt = this.#expiry(now, session.createdAt);
    Object.assign(session, { token: hashOf(next), refreshedAt: now, expiresAt });
    return { sessionId: session.id, userId: session.userId, token: next, expiresAt };
  }

  /** No session has this token now. */
  async #again(em: EntityManager, token: string): Promise<OpenSession | 'unknown' | 'stolen'> {
    const now = nowOf(this.#context);
    const spent = await em.findOne(SpentTokenEntity, { token: hashOf(token) });
    const session = spent && (await em.findOne(SessionEntity, { id: spent.sessionId }, LOCKED));
    if (!spent || !session || session.expiresAt <= now) return 'unknown';
    const current = this.#currentOf(session, token);
    if (now.getTime() - spent.spentAt.getTime() <= REUSE_GRACE_MS && current !== undefined)
      return { sessionId: session.id, userId: session.userId, token: current, expiresAt: session.expiresAt };
    await endSession(em, session, this.#context);
    return 'stolen';
  }

  /** Each token follows from the one before, so that the valid one is found although only its hash is stored. */
  #currentOf(session: SessionRow, token: string): string | undefined {
    let next = token;
    for (let step = 0; step < MAX_CHAIN; step++) {
      next = this.#options.sealer.successorOf(next);
      if (hashOf(next) === session.token) return next;
    }
    return undefined;
  }

  #expiry(now: Date, createdAt: Date): Date {
    const { idleMs } = this.#options;
    return new Date(Math.min(now.getTime() + idleMs, createdAt.getTime() + MAX_LIVES * idleMs));
  }
}
