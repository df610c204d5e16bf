import type { AccountsContext } from './context.ts';
import { byName, hasInName, nameKeyOf } from './name-order.ts';
import { pageOf, type ListQuery, type Page } from './paging.ts';
import { effectiveBoardRole, type BoardRole, type WorkspaceRole, type WorkspaceType } from './rules.ts';
import { selectPage } from './select-page.ts';
import type { BoardView } from './views.ts';

/** How boards, by the name `b`, are ordered in each list. */
export function boardOrder() {
  const names = byName('b.name');
  const order = { name: names, createdAt: ['b.created_at'], updatedAt: ['b.updated_at'] };
  return { order, fallback: '-updatedAt', ties: [...names, 'b.id'] };
}

interface RawBoard {
  id: string;
  workspace_id: string;
  name: string;
  thumbnail_url: string | null;
  created_by: string;
  created_at: Date | string;
  updated_at: Date | string;
  role: BoardRole;
  workspace_type: WorkspaceType;
  workspace_role: WorkspaceRole | null;
}

/** The boards on which somebody has a role of her own, made or accepted, in whosever workspace they are. */
export class OwnBoards {
  readonly #context: AccountsContext;

  constructor(context: AccountsContext) {
    this.#context = context;
  }

  /** Deleted ones are left out. */
  list(userId: string, query: ListQuery = {}): Promise<Page<BoardView>> {
    const selection = {
      columns: 'b.*, m.role, w.type as workspace_type, wm.role as workspace_role',
      from: `from board_members m
        join boards b on b.id = m.board_id and b.deleted_at is null
        join workspaces w on w.id = b.workspace_id and w.deleted_at is null
        left join workspace_members wm on wm.workspace_id = w.id and wm.user_id = m.user_id
       where m.user_id = ? and ${hasInName('b.name')}`,
      params: [userId, nameKeyOf(query.search ?? '')],
      ...boardOrder(),
    };
    return this.#context.database.entities(async (em) => {
      const { rows, total } = await selectPage<RawBoard>(em, selection, query);
      return pageOf(rows.map(viewOf), total, query);
    });
  }
}

function viewOf(row: RawBoard): BoardView {
  const { workspace_type: type, workspace_role: inherited } = row;
  return {
    id: row.id,
    workspaceId: row.workspace_id,
    name: row.name,
    thumbnailUrl: row.thumbnail_url,
    createdBy: row.created_by,
    createdAt: new Date(row.created_at).toISOString(),
    updatedAt: new Date(row.updated_at).toISOString(),
    deletedAt: null,
    purgeAt: null,
    role: effectiveBoardRole(row.role, inherited ? { type, role: inherited } : undefined)!,
  };
}
