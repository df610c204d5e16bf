import { AppError } from '../errors.ts';
import { recordAccessChange } from './access-changes.ts';
import { nowOf, type AccountsContext, type EntityManager } from './context.ts';
import { BoardEntity, BoardMemberEntity } from './entities.ts';
import { pageOf, patternOf, windowOf, type ListQuery, type Page } from './paging.ts';
import { requireInWorkspace, requireOnBoard } from './permissions.ts';
import { effectiveBoardRole, type BoardRole } from './rules.ts';
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

  list(userId: string, workspaceId: string, query: ListQuery = {}): Promise<Page<BoardView>> {
    return this.#context.database.entities(async (em) => {
      const standing = await requireInWorkspace(em, 'workspace.boards.list', { workspaceId, userId });
      const inherited = { type: standing.type, role: standing.role };
      const window = windowOf(query, { sortable: SORTABLE, fallback: '-updatedAt', tieBreaker: 'id' });
      const [rows, total] = await em.findAndCount(
        BoardEntity,
        {
          workspaceId,
          deletedAt: null,
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
        rows.map((row) => viewOf(row, effectiveBoardRole(roles.get(row.id), inherited)!)),
        total,
        query,
      );
    });
  }

  get(userId: string, boardId: string): Promise<BoardView> {
    return this.#context.database.entities(async (em) => {
      const { role } = await requireOnBoard(em, 'board.read', { boardId, userId });
      return viewOf(await em.findOneOrFail(BoardEntity, { id: boardId }), role);
    });
  }

  /** Its maker becomes its owner. The same id twice is one board. */
  create(
    userId: string,
    workspaceId: string,
    { id, name }: { id: string; name: string },
  ): Promise<BoardView> {
    return this.#context.database.entities(async (em) => {
      const standing = await requireInWorkspace(em, 'workspace.boards.create', { workspaceId, userId });
      const known = await em.findOne(BoardEntity, { id });
      if (known) {
        if (known.createdBy !== userId || known.workspaceId !== workspaceId || known.deletedAt)
          throw new AppError('ID_TAKEN');
        const own = (await ownRoles(em, userId, [id])).get(id);
        return viewOf(known, effectiveBoardRole(own, standing)!);
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
      return viewOf(row, 'owner');
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
      return viewOf(row, role);
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
      recordAccessChange(em, { tenantId: workspaceId, roomId: boardId });
    });
  }

  /** One that is not deleted is left as it is. RESTORE_OVER when it is too late. */
  restore(userId: string, boardId: string): Promise<BoardView> {
    return this.#context.database.entities(async (em) => {
      const { role, workspaceId } = await requireOnBoard(em, 'board.restore', { boardId, userId });
      const row = await em.findOneOrFail(BoardEntity, { id: boardId });
      if (!row.deletedAt) return viewOf(row, role);
      const now = nowOf(this.#context);
      if (now.getTime() > row.deletedAt.getTime() + this.#options.restoreMs)
        throw new AppError('RESTORE_OVER');
      row.deletedAt = null;
      row.updatedAt = now;
      recordAccessChange(em, { tenantId: workspaceId, roomId: boardId });
      return viewOf(row, role);
    });
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

function viewOf(row: BoardRow, role: BoardRole): BoardView {
  return {
    id: row.id,
    workspaceId: row.workspaceId,
    name: row.name,
    thumbnailUrl: row.thumbnailUrl ?? null,
    createdBy: row.createdBy,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
    deletedAt: row.deletedAt?.toISOString() ?? null,
    role,
  };
}
