import { LockMode } from '@mikro-orm/core';
import { AppError } from '../errors.ts';
import { recordAccessChange } from './access-changes.ts';
import { nowOf, type AccountsContext, type EntityManager } from './context.ts';
import { BoardEntity, BoardMemberEntity, WorkspaceEntity } from './entities.ts';
import { hasInName, nameKeyOf } from './name-order.ts';
import { boardOrder } from './own-boards.ts';
import { pageOf, type ListQuery, type Page } from './paging.ts';
import { requireInWorkspace, requireOnBoard } from './permissions.ts';
import { BOARD_ROLES, effectiveBoardRole, mayOnBoard, type BoardRole } from './rules.ts';
import { selectPage } from './select-page.ts';
import type { BoardView } from './views.ts';

interface BoardRow {
  id: string;
  workspaceId: string;
  name: string;
  thumbnailUrl?: string | null;
  createdBy: string;
  createdAt: Date;
  updatedAt: Date;
  deletedAt?: Date | null;
}

export interface BoardsOptions {
  /** A deleted board can be restored for so long. */
  restoreMs: number;
}

/** Boards: each is a room. Every method is done as `userId` and refuses what the rules do not allow. */
export class Boards {
  readonly #context: AccountsContext;
  readonly #options: BoardsOptions;

  constructor(context: AccountsContext, options: BoardsOptions) {
    this.#context = context;
    this.#options = options;
  }

  /** With `deleted` those that can still be restored, by who asks. */
  list(
    userId: string,
    workspaceId: string,
    { deleted = false, ...query }: ListQuery & { deleted?: boolean } = {},
  ): Promise<Page<BoardView>> {
    return this.#context.database.entities(async (em) => {
      const standing = await requireInWorkspace(em, 'workspace.boards.list', { workspaceId, userId });
      const inherited = { type: standing.type, role: standing.role };
      const wanted = deleted
        ? this.#restorable(effectiveBoardRole(undefined, inherited)!)
        : { condition: 'b.deleted_at is null', params: [] };
      const { rows, total } = await selectPage<{ id: string }>(
        em,
        {
          columns: 'b.id',
          from: `from boards b left join board_members m on m.board_id = b.id and m.user_id = ?
            where b.workspace_id = ? and ${hasInName('b.name')} and ${wanted.condition}`,
          params: [userId, workspaceId, nameKeyOf(query.search ?? ''), ...wanted.params],
          ...boardOrder(),
        },
        query,
      );
      const ids = rows.map(({ id }) => id);
      const boards = new Map(
        (await em.find(BoardEntity, { id: { $in: ids } })).map((board) => [board.id, board]),
      );
      const roles = await ownRoles(em, userId, ids);
      return pageOf(
        ids.map((id) => this.#viewOf(boards.get(id)!, effectiveBoardRole(roles.get(id), inherited)!)),
        total,
        query,
      );
    });
  }

  get(userId: string, boardId: string): Promise<BoardView> {
    return this.#context.database.entities(async (em) => {
      const { role } = await requireOnBoard(em, 'board.read', { boardId, userId });
      return this.#viewOf(await em.findOneOrFail(BoardEntity, { id: boardId }), role);
    });
  }

  /** Its maker becomes its owner. The same id twice is one board. */
  create(
    userId: string,
    workspaceId: string,
    { id, name }: { id: string; name: string },
  ): Promise<BoardView> {
    return this.#context.database.entities(async (em) => {
      // Who is taken out of the workspace, and the workspace itself, go with all boards or after this one is there.
      await em.findOne(WorkspaceEntity, { id: workspaceId }, { lockMode: LockMode.PESSIMISTIC_READ });
      const standing = await requireInWorkspace(em, 'workspace.boards.create', { workspaceId, userId });
      const known = await em.findOne(BoardEntity, { id });
      if (known) {
        if (known.createdBy !== userId || known.workspaceId !== workspaceId || known.deletedAt)
          throw new AppError('ID_TAKEN');
        const own = (await ownRoles(em, userId, [id])).get(id);
        return this.#viewOf(known, effectiveBoardRole(own, standing)!);
      }
      const now = nowOf(this.#context);
      const row = em.create(
        BoardEntity,
        {
          id,
          workspaceId,
          name,
          thumbnailUrl: null,
          createdBy: userId,
          createdAt: now,
          updatedAt: now,
          deletedAt: null,
        },
        { persist: true },
      );
      await em.flush();
      em.create(
        BoardMemberEntity,
        { boardId: id, userId, role: 'owner', invitedBy: null, joinedAt: now },
        { persist: true },
      );
      // Somebody may have asked for this room before it was a board.
      recordAccessChange(em, { tenantId: workspaceId, roomId: id });
      return this.#viewOf(row, 'owner');
    });
  }

  update(
    userId: string,
    boardId: string,
    change: { name?: string; thumbnailUrl?: string | null },
  ): Promise<BoardView> {
    return this.#context.database.entities(async (em) => {
      const { role } = await requireOnBoard(em, 'board.update', { boardId, userId });
      const row = await em.findOneOrFail(BoardEntity, { id: boardId });
      if (change.name !== undefined) row.name = change.name;
      if (change.thumbnailUrl !== undefined) row.thumbnailUrl = change.thumbnailUrl;
      row.updatedAt = nowOf(this.#context);
      return this.#viewOf(row, role);
    });
  }

  /** Closes it at once; what it holds is taken away when the time for a restore is over. */
  remove(userId: string, boardId: string): Promise<void> {
    return this.#context.database.entities(async (em) => {
      const { workspaceId } = await requireOnBoard(em, 'board.delete', { boardId, userId });
      await em.nativeUpdate(
        BoardEntity,
        { id: boardId, deletedAt: null },
        { deletedAt: nowOf(this.#context) },
      );
      recordAccessChange(em, { tenantId: workspaceId, roomId: boardId, revoked: true });
    });
  }

  /** One that is not deleted is left as it is. RESTORE_OVER when it is too late. */
  restore(userId: string, boardId: string): Promise<BoardView> {
    return this.#context.database.entities(async (em) => {
      const { role, workspaceId } = await requireOnBoard(em, 'board.restore', { boardId, userId });
      const row = await em.findOneOrFail(BoardEntity, { id: boardId });
      if (!row.deletedAt) return this.#viewOf(row, role);
      const now = nowOf(this.#context);
      if (now.getTime() > row.deletedAt.getTime() + this.#options.restoreMs)
        throw new AppError('RESTORE_OVER');
      row.deletedAt = null;
      row.updatedAt = now;
      recordAccessChange(em, { tenantId: workspaceId, roomId: boardId });
      return this.#viewOf(row, role);
    });
  }

  /** Deleted boards that somebody with this role by the workspace may restore, or by one of her own (`m`). */
  #restorable(role: BoardRole): { condition: string; params: unknown[] } {
    const since = new Date(nowOf(this.#context).getTime() - this.#options.restoreMs);
    if (mayOnBoard(role, 'board.restore')) return { condition: 'b.deleted_at >= ?', params: [since] };
    const roles = BOARD_ROLES.filter((each) => mayOnBoard(each, 'board.restore'));
    return { condition: 'b.deleted_at >= ? and m.role in (?)', params: [since, roles] };
  }

  #viewOf(row: BoardRow, role: BoardRole): BoardView {
    const { deletedAt } = row;
    return {
      id: row.id,
      workspaceId: row.workspaceId,
      name: row.name,
      thumbnailUrl: row.thumbnailUrl ?? null,
      createdBy: row.createdBy,
      createdAt: row.createdAt.toISOString(),
      updatedAt: row.updatedAt.toISOString(),
      deletedAt: deletedAt?.toISOString() ?? null,
      purgeAt: deletedAt ? new Date(deletedAt.getTime() + this.#options.restoreMs).toISOString() : null,
      role,
    };
  }
}

async function ownRoles(
  em: EntityManager,
  userId: string,
  boardIds: readonly string[],
): Promise<Map<string, BoardRole>> {
  const members = await em.find(BoardMemberEntity, { userId, boardId: { $in: [...boardIds] } });
  return new Map(members.map((member) => [member.boardId, member.role]));
}
