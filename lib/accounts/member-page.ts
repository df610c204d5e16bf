import type { EntityManager } from './context.ts';
import { pageOf, patternOf, windowOf, type ListQuery, type Page } from './paging.ts';
import type { MemberView } from './views.ts';

const COLUMNS: Readonly<Record<string, string>> = {
  name: 'u.name',
  joinedAt: 'm.joined_at',
  role: 'm.role',
  id: 'u.id',
};

interface RawMember {
  id: string;
  name: string;
  avatar_url: string | null;
  role: string;
  joined_at: Date | string;
}

/** Members with their names: one page, ordered by name unless something else is asked. */
export async function memberPage<Role extends string>(
  em: EntityManager,
  { table, of, id }: { table: 'workspace_members' | 'board_members'; of: string; id: string },
  query: ListQuery,
): Promise<Page<MemberView<Role>>> {
  const { limit, offset, orderBy } = windowOf(query, {
    sortable: ['name', 'joinedAt', 'role'],
    fallback: 'name',
    tieBreaker: 'id',
  });
  const from = `from ${table} m join users u on u.id = m.user_id where m.${of} = ? and u.name ilike ?`;
  const filter = [id, patternOf(query.search ?? '')];
  const order = Object.entries(orderBy)
    .map(([field, direction]) => `${COLUMNS[field]} ${direction}`)
    .join(', ');
  const rows = await em.execute<RawMember[]>(
    `select u.id, u.name, u.avatar_url, m.role, m.joined_at ${from} order by ${order} limit ? offset ?`,
    [...filter, limit, offset],
  );
  const [count] = await em.execute<{ n: string | number }[]>(`select count(*) as n ${from}`, filter);
  return pageOf(
    rows.map((row) => ({
      userId: row.id,
      name: row.name,
      avatarUrl: row.avatar_url,
      role: row.role as Role,
      joinedAt: new Date(row.joined_at).toISOString(),
    })),
    Number(count!.n),
    query,
  );
}
