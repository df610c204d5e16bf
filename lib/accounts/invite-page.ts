import type { EntityManager } from './context.ts';
import { pageOf, type ListQuery, type Page } from './paging.ts';
import { boardRank, countingRole, inheritedRole, mayGive } from './role-sql.ts';
import type { BoardRole } from './rules.ts';
import { selectPage } from './select-page.ts';
import type { InviteState, InviteView } from './views.ts';

export interface InvitesQuery extends ListQuery {
  state?: InviteState | null;
}

interface RawInvite {
  id: string;
  board_id: string;
  role: BoardRole;
  expires_at: Date | string | null;
  max_uses: number | null;
  uses: number;
  revoked_at: Date | string | null;
  created_by: string;
  created_at: Date | string;
  is_valid: boolean;
}

const MAKER = countingRole('m.role', inheritedRole({ type: 'w.type', role: 'wm.role' }));

/** Its params: the time, and the board. */
const INVITES = `select i.*, i.revoked_at is null and coalesce(i.expires_at > ?, true)
    and coalesce(i.uses < i.max_uses, true) and coalesce(${mayGive(MAKER, 'i.role')}, false) as is_valid
  from board_invites i join boards b on b.id = i.board_id join workspaces w on w.id = b.workspace_id
    left join board_members m on m.board_id = b.id and m.user_id = i.created_by
    left join workspace_members wm on wm.workspace_id = w.id and wm.user_id = i.created_by
  where b.id = ?`;

/** The invites of a board, the newest first unless something else is asked; those without an end end last. */
export async function invitePage(
  em: EntityManager,
  { boardId, now }: { boardId: string; now: Date },
  query: InvitesQuery,
): Promise<Page<InviteView>> {
  const isAsked = query.state ? query.state === 'valid' : null;
  const { rows, total } = await selectPage<RawInvite>(
    em,
    {
      columns: 'p.*',
      from: `from (${INVITES}) p where (?::boolean is null or p.is_valid = ?)`,
      params: [now, boardId, isAsked, isAsked],
      order: { createdAt: ['p.created_at'], expiresAt: ['p.expires_at'], role: [boardRank('p.role')] },
      fallback: '-createdAt',
      ties: ['p.created_at', 'p.id'],
    },
    query,
  );
  return pageOf(rows.map(viewOf), total, query);
}

/** One that is there. */
export async function inviteOf(
  em: EntityManager,
  { boardId, now }: { boardId: string; now: Date },
  id: string,
): Promise<InviteView> {
  const [row] = await em.execute<RawInvite[]>(`select p.* from (${INVITES}) p where p.id = ?`, [
    ...[now, boardId, id],
  ]);
  return viewOf(row!);
}

function viewOf(row: RawInvite): InviteView {
  return {
    id: row.id,
    boardId: row.board_id,
    role: row.role,
    expiresAt: timeOf(row.expires_at),
    maxUses: row.max_uses,
    uses: row.uses,
    revokedAt: timeOf(row.revoked_at),
    state: row.is_valid ? 'valid' : 'over',
    createdBy: row.created_by,
    createdAt: timeOf(row.created_at)!,
  };
}

const timeOf = (at: Date | string | null) => (at === null ? null : new Date(at).toISOString());
