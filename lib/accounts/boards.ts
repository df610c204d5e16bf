import { LockMode } from '@mikro-orm/core';
import { AppError } from '../errors.ts';
import { recordAccessChange } from './access-changes.ts';
import { nowOf, type AccountsContext, type EntityManager } from './context.ts';
import { BoardEntity, BoardMemberEntity, WorkspaceEntity } from './entities.ts';
import { pageOf, patternOf, windowOf, type ListQuery, type Page } from './paging.ts';
import { requireInWorkspace, requireOnBoard } from './permissions.ts';
import { BOARD_ROLES, effectiveBoardRole, mayOnBoard, type BoardRole } from './rules.ts';
import type { BoardView } from './views.ts';

const SORTABLE = ['name', 'createdAt', 'updatedAt'];

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
      const window = windowOf(query, { sortable: SORTABLE, fallback: '-updatedAt', tieBreaker: 'id' });
      const [rows, total] = await em.findAndCount(
        BoardEntity,
        {
          workspaceId,
          ...(deleted
            ? await this.#restorable(em, {
                workspaceId,
                userId,
                role: effectiveBoardRole(undefined, inherited)!,
              })
            : { deletedAt: null }),
          ...(query.search ? { name: { $ilike: patternOf(query.search) } } : {}),
        },
        window,
      );
      const roles = await ownRoles(
        em,
        userId,
        rows.map(({ id }) => id),
      );
      return pageOf(
        rows.map((row) => this.#viewOf(row, effectiveBoardRole(roles.get(row.id), inherited)!)),
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

  async #restorable(
    em: EntityManager,
    { workspaceId, userId, role }: { workspaceId: string; userId: string; role: BoardRole },
  ) {
    const deletedAt = { $gte: new Date(nowOf(this.#context).getTime() - this.#options.restoreMs) };
    if (mayOnBoard(role, 'board.restore')) return { deletedAt };
    const roles = BOARD_ROLES.filter((each) => mayOnBoard(each, 'board.restore'));
    const own = await em.execute<{ id: string }[]>(
      `select b.id from boards b join board_members m on m.board_id = b.id
        where b.workspace_id = ? and b.deleted_at is not null and m.user_id = ? and m.role in (?)`,
      [workspaceId, userId, roles],
    );
    return { deletedAt, id: { $in: own.map(({ id }) => id) } };
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
