import { LONGEST_ACCESS_TOKEN_SECONDS } from '../config-accounts.ts';
import { recordAccessChange } from './access-changes.ts';
import { nowOf, type AccountsContext, type EntityManager } from './context.ts';
import { SessionEntity } from './entities.ts';
import { TOLERANCE_MS } from './tokens.ts';

/** A refresh that was under way may give one more access token so long after the end. */
const UNDER_WAY_MS = 60_000;
/** Whatever the life of access tokens is now: it may have been longer when the last one was made. */
const KEPT_MS = LONGEST_ACCESS_TOKEN_SECONDS * 1_000 + UNDER_WAY_MS + TOLERANCE_MS;
const FORGOTTEN_AT_ONCE = 100;
/** Ids in one answer: with their commas far below what a call between services may carry. */
export const REVOKED_PAGE = 1_000;
const FIRST = '00000000-0000-0000-0000-000000000000';

/** Ends a session: it is told to the gateways, and known to those that start before its last access token has ended. */
export async function endSession(
  em: EntityManager,
  { id, userId }: { id: string; userId: string },
  context: AccountsContext,
): Promise<void> {
  const now = nowOf(context);
  // Its spent tokens go with it.
  await em.nativeDelete(SessionEntity, { id });
  // Another one may end it, or clear up here, at the same moment.
  await em.execute('insert into ended_sessions (id, expires_at) values (?, ?) on conflict do nothing', [
    id,
    new Date(now.getTime() + KEPT_MS),
  ]);
  await em.execute(
    `delete from ended_sessions where id in
       (select id from ended_sessions where expires_at < ? limit ? for update skip locked)`,
    [now, FORGOTTEN_AT_ONCE],
  );
  recordAccessChange(em, { userId, sessionId: id });
}

/**
 * Ids of ended sessions and of revoked service tokens whose tokens would still be taken, in order, behind `after`; at
 * most REVOKED_PAGE of them.
 */
export function revokedIds(context: AccountsContext, after = FIRST): Promise<string[]> {
  return context.database.entities(async (em) => {
    const now = nowOf(context);
    // What has ended before is ended by the clock of every gateway.
    const forgotten = new Date(now.getTime() - TOLERANCE_MS);
    const rows: { id: string }[] = await em.execute(
      `select id from ended_sessions where id > ? and expires_at > ?
       union all
       select id from service_tokens where id > ? and expires_at > ? and revoked_at is not null
       order by id limit ?`,
      [after, now, after, forgotten, REVOKED_PAGE],
    );
    return rows.map(({ id }) => id);
  });
}
