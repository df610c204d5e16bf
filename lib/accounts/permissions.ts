import { AppError } from '../errors.ts';
import type { AccountsContext, EntityManager } from './context.ts';
import { limitsOf, type DocumentLimit } from './document-limits.ts';
import {
  BoardEntity,
  BoardMemberEntity,
  DocumentRuleEntity,
  WorkspaceEntity,
  WorkspaceMemberEntity,
} from './entities.ts';
import {
  effectiveBoardRole,
  mayInWorkspace,
  mayOnBoard,
  type BoardAction,
  type BoardRole,
  type WorkspaceAction,
  type WorkspaceRole,
  type WorkspaceType,
} from './rules.ts';

/** How somebody stands to a board. */
export interface BoardStanding {
  boardId: string;
  workspaceId: string;
  /** The higher of the own role and that of the workspace; undefined for a stranger. */
  role: BoardRole | undefined;
  /** The role given on the board itself. */
  ownRole: BoardRole | undefined;
  isDeleted: boolean;
}

/** What somebody is on a board that is there. */
export interface RoleOnBoard {
  role: BoardRole;
  /** Of its documents. */
  tenantId: string;
  /** What rules of its documents take from the role. */
  limits?: DocumentLimit[];
}

export interface WorkspaceStanding {
  workspaceId: string;
  type: WorkspaceType;
  role: WorkspaceRole | undefined;
}

/** Undefined when there is no such board. */
export async function boardStanding(
  em: EntityManager,
  boardId: string,
  userId: string,
): Promise<BoardStanding | undefined> {
  const board = await em.findOne(BoardEntity, { id: boardId });
  if (!board) return undefined;
  const own = await em.findOne(BoardMemberEntity, { boardId, userId });
  const workspace = await workspaceStanding(em, board.workspaceId, userId);
  const inherited =
    workspace?.role === undefined ? undefined : { type: workspace.type, role: workspace.role };
  return {
    boardId,
    workspaceId: board.workspaceId,
    role: workspace === undefined ? undefined : effectiveBoardRole(own?.role, inherited),
    ownRole: own?.role,
    isDeleted: Boolean(board.deletedAt) || workspace === undefined,
  };
}

/** Undefined when there is no such workspace, or no longer. */
export async function workspaceStanding(
  em: EntityManager,
  workspaceId: string,
  userId: string,
): Promise<WorkspaceStanding | undefined> {
  const workspace = await em.findOne(WorkspaceEntity, { id: workspaceId, deletedAt: null });
  if (!workspace) return undefined;
  const member = await em.findOne(WorkspaceMemberEntity, { workspaceId, userId });
  return { workspaceId, type: workspace.type, role: member?.role };
}

/**
 * Rejects with BOARD_NOT_FOUND for who may not even see it, with FORBIDDEN for who may not do this. A deleted board
 * exists for nobody but those who may restore it.
 */
export async function requireOnBoard(
  em: EntityManager,
  action: BoardAction,
  { boardId, userId }: { boardId: string; userId: string },
): Promise<BoardStanding & { role: BoardRole }> {
  const standing = await boardStanding(em, boardId, userId);
  const isHidden = standing?.isDeleted === true && action !== 'board.restore';
  if (!standing || isHidden || !mayOnBoard(standing.role, 'board.read'))
    throw new AppError('BOARD_NOT_FOUND');
  if (!mayOnBoard(standing.role, action))
    throw new AppError(standing.isDeleted ? 'BOARD_NOT_FOUND' : 'FORBIDDEN', { data: { action } });
  return standing as BoardStanding & { role: BoardRole };
}

/** Rejects with WORKSPACE_NOT_FOUND for a stranger, with FORBIDDEN for who may not do this. */
export async function requireInWorkspace(
  em: EntityManager,
  action: WorkspaceAction,
  { workspaceId, userId }: { workspaceId: string; userId: string },
): Promise<WorkspaceStanding & { role: WorkspaceRole }> {
  const standing = await workspaceStanding(em, workspaceId, userId);
  if (standing?.role === undefined) throw new AppError('WORKSPACE_NOT_FOUND');
  if (!mayInWorkspace(standing.role, action)) throw new AppError('FORBIDDEN', { data: { action } });
  return standing as WorkspaceStanding & { role: WorkspaceRole };
}

/** The one answer to "may this user do this to this room". */
export class Permissions {
  readonly #context: AccountsContext;

  constructor(context: AccountsContext) {
    this.#context = context;
  }

  /** The role that counts on the board, with the tenant of its documents; undefined for a stranger and for no such board. */
  roleOn(boardId: string, userId: string): Promise<RoleOnBoard | undefined> {
    return this.#context.database.entities(async (em) => {
      const standing = await boardStanding(em, boardId, userId);
      if (!standing || standing.isDeleted || standing.role === undefined) return undefined;
      const { role, workspaceId: tenantId } = standing;
      const rules = await em.find(DocumentRuleEntity, { boardId }, { orderBy: { document: 'asc' } });
      const limits = limitsOf(role, rules);
      return { role, tenantId, ...(limits.length > 0 ? { limits } : {}) };
    });
  }
}
