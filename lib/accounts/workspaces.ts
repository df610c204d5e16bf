import { AppError } from '../errors.ts';
import { recordAccessChange } from './access-changes.ts';
import { nowOf, type AccountsContext, type EntityManager } from './context.ts';
import { BoardEntity, WorkspaceEntity, WorkspaceMemberEntity } from './entities.ts';
import { pageOf, patternOf, windowOf, type ListQuery, type Page } from './paging.ts';
import { requireInWorkspace } from './permissions.ts';
import type { WorkspaceRole, WorkspaceType } from './rules.ts';
import type { WorkspaceView } from './views.ts';

const SORTABLE = ['name', 'createdAt'];

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

  list(userId: string, query: ListQuery = {}): Promise<Page<WorkspaceView>> {
    return this.#context.database.entities(async (em) => {
      const roles = new Map(
        (await em.find(WorkspaceMemberEntity, { userId })).map((member) => [member.workspaceId, member.role]),
      );
      const window = windowOf(query, { sortable: SORTABLE, fallback: 'name', tieBreaker: 'id' });
      const [rows, total] = await em.findAndCount(
        WorkspaceEntity,
        {
          id: { $in: [...roles.keys()] },
          deletedAt: null,
          ...(query.search ? { name: { $ilike: patternOf(query.search) } } : {}),
        },
        window,
      );
      return pageOf(
        rows.map((row) => viewOf(row, roles.get(row.id)!)),
        total,
        query,
      );
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
