import type { EntityManager } from './context.ts';
import { byName, hasInName, nameKeyOf } from './name-order.ts';
import { pageOf, type ListQuery, type Page } from './paging.ts';
import { boardRank, countingRole, inheritedRole, isInherited, rankOf } from './role-sql.ts';
import { WORKSPACE_ROLES, type BoardRole, type WorkspaceRole } from './rules.ts';
import { selectPage } from './select-page.ts';
import type { BoardMemberView, MemberView } from './views.ts';

export interface WorkspaceMembersQuery extends ListQuery {
  role?: WorkspaceRole | null;
}

export interface BoardMembersQuery extends ListQuery {
  /** The one that counts. */
  role?: BoardRole | null;
  /** `true`: those whose role comes from the workspace; `false`: the others. */
  inherited?: 'true' | 'false' | null;
}

interface RawMember<Role> {
  id: string;
  name: string;
  avatar_url: string | null;
  role: Role;
  joined_at: Date | string;
}

/** Members with their names: one page, ordered by name unless something else is asked. */
export async function workspaceMemberPage(
  em: EntityManager,
  workspaceId: string,
  query: WorkspaceMembersQuery,
): Promise<Page<MemberView<WorkspaceRole>>> {
  const members = `select u.id, u.name, u.avatar_url, m.role, m.joined_at
    from workspace_members m join users u on u.id = m.user_id where m.workspace_id = ?`;
  const { rows, total } = await selectPage<RawMember<WorkspaceRole>>(
    em,
    {
      columns: 'p.*',
      from: `from (${members}) p where ${hasInName('p.name')} and (?::text is null or p.role = ?)`,
      params: [workspaceId, nameKeyOf(query.search ?? ''), query.role ?? null, query.role ?? null],
      ...orderBy(rankOf('p.role', WORKSPACE_ROLES)),
    },
    query,
  );
  return pageOf(rows.map(viewOf), total, query);
}

/** Everybody who has a role on a board, given there or by its workspace, with the one that counts. */
export async function boardMemberPage(
  em: EntityManager,
  boardId: string,
  query: BoardMembersQuery,
): Promise<Page<BoardMemberView>> {
  const inherited = inheritedRole({ type: 'w.type', role: 'wm.role' });
  const members = `select u.id, u.name, u.avatar_url, m.role as own, ${inherited} as inherited,
      coalesce(m.joined_at, wm.joined_at) as joined_at
    from boards b join workspaces w on w.id = b.workspace_id
      join users u on u.id in (select user_id from board_members where board_id = b.id
        union select user_id from workspace_members where workspace_id = w.id)
      left join board_members m on m.board_id = b.id and m.user_id = u.id
      left join workspace_members wm on wm.workspace_id = w.id and wm.user_id = u.id
    where b.id = ?`;
  const counting = `select p.id, p.name, p.avatar_url, p.joined_at,
    ${countingRole('p.own', 'p.inherited')} as role, ${isInherited('p.own', 'p.inherited')} as is_inherited
    from (${members}) p`;
  const isAsked = query.inherited ? query.inherited === 'true' : null;
  const { rows, total } = await selectPage<RawMember<BoardRole> & { is_inherited: boolean }>(
    em,
    {
      columns: 'p.*',
      from: `from (${counting}) p where ${hasInName('p.name')} and (?::text is null or p.role = ?)
        and (?::boolean is null or p.is_inherited = ?)`,
      params: [
        ...[boardId, nameKeyOf(query.search ?? '')],
        ...[query.role ?? null, query.role ?? null, isAsked, isAsked],
      ],
      ...orderBy(boardRank('p.role')),
    },
    query,
  );
  return pageOf(
    rows.map((row) => ({ ...viewOf(row), inherited: row.is_inherited })),
    total,
    query,
  );
}

/** Roles from the least to the most. */
function orderBy(rank: string) {
  const names = byName('p.name');
  const order = { name: names, joinedAt: ['p.joined_at'], role: [rank] };
  return { order, fallback: 'name', ties: [...names, 'p.id'] };
}

function viewOf<Role>(row: RawMember<Role>): MemberView<Role> {
  return {
    userId: row.id,
    name: row.name,
    avatarUrl: row.avatar_url,
    role: row.role,
    joinedAt: new Date(row.joined_at).toISOString(),
  };
}
