import { AppError } from '../errors.ts';
import { recordAccessChange } from './access-changes.ts';
import { nowOf, type AccountsContext, type EntityManager } from './context.ts';
import { BoardEntity, WorkspaceEntity, WorkspaceMemberEntity } from './entities.ts';
import { byName, hasInName, nameKeyOf } from './name-order.ts';
import { pageOf, type ListQuery, type Page } from './paging.ts';
import { requireInWorkspace } from './permissions.ts';
import type { WorkspaceRole, WorkspaceType } from './rules.ts';
import { selectPage } from './select-page.ts';
import type { WorkspaceView } from './views.ts';

export interface WorkspacesQuery extends ListQuery {
  type?: WorkspaceType | null;
}

interface RawWorkspace {
  id: string;
  name: string;
  type: WorkspaceType;
  owner_id: string;
  created_at: Date | string;
  role: WorkspaceRole;
}

interface WorkspaceRow {
  id: string;
  name: string;
  type: WorkspaceType;
  ownerId: string;
  createdAt: Date;
}

/** Workspaces: who owns boards together. Every method is done as `userId` and refuses what the rules do not allow. */
export class Workspaces {
  readonly #context: AccountsContext;

  constructor(context: AccountsContext) {
    this.#context = context;
  }

  list(userId: string, query: WorkspacesQuery = {}): Promise<Page<WorkspaceView>> {
    const names = byName('w.name');
    const type = query.type ?? null;
    const selection = {
      columns: 'w.id, w.name, w.type, w.owner_id, w.created_at, m.role',
      from: `from workspace_members m join workspaces w on w.id = m.workspace_id and w.deleted_at is null
        where m.user_id = ? and ${hasInName('w.name')} and (?::text is null or w.type = ?)`,
      params: [userId, nameKeyOf(query.search ?? ''), type, type],
      order: { name: names, createdAt: ['w.created_at'] },
      fallback: 'name',
      ties: [...names, 'w.id'],
    };
    return this.#context.database.entities(async (em) => {
      const { rows, total } = await selectPage<RawWorkspace>(em, selection, query);
      const views = rows.map((row) =>
        viewOf({ ...row, ownerId: row.owner_id, createdAt: new Date(row.created_at) }, row.role),
      );
      return pageOf(views, total, query);
    });
  }

  get(userId: string, workspaceId: string): Promise<WorkspaceView> {
    return this.#context.database.entities(async (em) => {
      const { role } = await requireInWorkspace(em, 'workspace.read', { workspaceId, userId });
      return viewOf(await em.findOneOrFail(WorkspaceEntity, { id: workspaceId }), role);
    });
  }

  /** A workspace for several people, owned by its maker. The same id twice is one workspace. */
  create(userId: string, { id, name }: { id: string; name: string }): Promise<WorkspaceView> {
    return this.#context.database.entities(async (em) => {
      const known = await em.findOne(WorkspaceEntity, { id });
      if (known) {
        if (known.ownerId !== userId || known.deletedAt) throw new AppError('ID_TAKEN');
        return viewOf(known, 'owner');
      }
      return viewOf(await makeWorkspace(em, this.#context, { id, name, type: 'team', userId }), 'owner');
    });
  }

  update(userId: string, workspaceId: string, { name }: { name: string }): Promise<WorkspaceView> {
    return this.#context.database.entities(async (em) => {
      const { role } = await requireInWorkspace(em, 'workspace.update', { workspaceId, userId });
      const row = await em.findOneOrFail(WorkspaceEntity, { id: workspaceId });
      row.name = name;
      return viewOf(row, role);
    });
  }

  /** Closes it and its boards at once; what they hold is taken away when the time for a restore is over. */
  remove(userId: string, workspaceId: string): Promise<void> {
    return this.#context.database.entities(async (em) => {
      const { type } = await requireInWorkspace(em, 'workspace.delete', { workspaceId, userId });
      if (type === 'personal')
        throw new AppError('PERSONAL_WORKSPACE', { message: 'A personal workspace cannot be deleted.' });
      const now = nowOf(this.#context);
      await em.nativeUpdate(WorkspaceEntity, { id: workspaceId, deletedAt: null }, { deletedAt: now });
      await em.nativeUpdate(BoardEntity, { workspaceId, deletedAt: null }, { deletedAt: now });
      recordAccessChange(em, { tenantId: workspaceId, revoked: true });
    });
  }
}

/** With its maker as owner. */
export async function makeWorkspace(
  em: EntityManager,
  context: Pick<AccountsContext, 'clock'>,
  { id, name, type, userId }: { id: string; name: string; type: WorkspaceType; userId: string },
): Promise<WorkspaceRow> {
  const createdAt = nowOf(context);
  const row = em.create(
    WorkspaceEntity,
    { id, name, type, ownerId: userId, createdAt, deletedAt: null },
    { persist: true },
  );
  // The member's row names the workspace's, which must be there before it.
  await em.flush();
  em.create(
    WorkspaceMemberEntity,
    { workspaceId: id, userId, role: 'owner', joinedAt: createdAt },
    { persist: true },
  );
  return row;
}

function viewOf({ id, name, type, ownerId, createdAt }: WorkspaceRow, role: WorkspaceRole): WorkspaceView {
  return { id, name, type, ownerId, createdAt: createdAt.toISOString(), role };
}
