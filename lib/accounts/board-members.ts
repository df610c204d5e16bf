import { LockMode } from '@mikro-orm/core';
import { AppError } from '../errors.ts';
import { recordAccessChange } from './access-changes.ts';
import { nowOf, type AccountsContext, type EntityManager } from './context.ts';
import { BoardEntity, BoardMemberEntity, WorkspaceEntity } from './entities.ts';
import { boardMemberPage, type BoardMembersQuery } from './member-page.ts';
import type { Page } from './paging.ts';
import { requireOnBoard, workspaceStanding } from './permissions.ts';
import { mayChangeOnBoard, type BoardAction, type BoardRole } from './rules.ts';
import type { BoardMemberView } from './views.ts';

interface Target {
  boardId: string;
  memberId: string;
}

/** Who has a role on a board. There is always an owner: the board's row is locked by every change. */
export class BoardMembers {
  readonly #context: AccountsContext;

  constructor(context: AccountsContext) {
    this.#context = context;
  }

  /** Everybody who reaches the board, also by its workspace. */
  list(userId: string, boardId: string, query: BoardMembersQuery = {}): Promise<Page<BoardMemberView>> {
    return this.#context.database.entities(async (em) => {
      await requireOnBoard(em, 'board.members.list', { boardId, userId });
      return boardMemberPage(em, boardId, query);
    });
  }

  /** Gives a role of her own to who has one, and to who is in the board’s workspace. */
  update(userId: string, { boardId, memberId }: Target, { role }: { role: BoardRole }): Promise<void> {
    return this.#context.database.entities(async (em) => {
      const standing = await this.#require(em, 'board.members.update', { boardId, userId });
      const { workspaceId } = standing;
      const member = await this.#reachable(em, workspaceId, { boardId, memberId });
      if (!mayChangeOnBoard(standing.role, { of: member?.role, to: role }))
        throw new AppError('ROLE_TOO_HIGH');
      if (member?.role === role) return;
      if (member?.role === 'owner') await this.#requireOtherOwner(em, { boardId, memberId });
      if (member) member.role = role;
      else this.#add(em, { boardId, memberId }, { role, by: userId });
      recordAccessChange(em, { tenantId: workspaceId, roomId: boardId, userId: memberId });
    });
  }

  /** Oneself (`board.leave`) or another. */
  remove(userId: string, { boardId, memberId }: Target): Promise<void> {
    return this.#context.database.entities(async (em) => {
      const action = memberId === userId ? 'board.leave' : 'board.members.remove';
      const { workspaceId } = await this.#require(em, action, { boardId, userId });
      const member = await this.#member(em, { boardId, memberId });
      if (member.role === 'owner') await this.#requireOtherOwner(em, { boardId, memberId });
      await em.nativeDelete(BoardMemberEntity, { boardId, userId: memberId });
      // Who belongs to the workspace keeps the role that it gives.
      const left = await workspaceStanding(em, workspaceId, memberId);
      const isStranger = left?.role === undefined;
      recordAccessChange(em, {
        tenantId: workspaceId,
        roomId: boardId,
        userId: memberId,
        ...(isStranger ? { revoked: true } : {}),
      });
    });
  }

  /**
   * The other, who has a role or is in the board's workspace, becomes owner; who was one by a role of her own is an
   * editor from here on.
   */
  transfer(userId: string, { boardId, memberId }: Target): Promise<void> {
    return this.#context.database.entities(async (em) => {
      const { workspaceId, ownRole } = await this.#require(em, 'board.transfer', { boardId, userId });
      const member = await this.#reachable(em, workspaceId, { boardId, memberId });
      if (memberId === userId && ownRole === 'owner') return;
      if (member) member.role = 'owner';
      else this.#add(em, { boardId, memberId }, { role: 'owner', by: userId });
      if (ownRole === 'owner')
        await em.nativeUpdate(BoardMemberEntity, { boardId, userId }, { role: 'editor' });
      recordAccessChange(em, { tenantId: workspaceId, roomId: boardId, userId: memberId });
      recordAccessChange(em, { tenantId: workspaceId, roomId: boardId, userId });
    });
  }

  /**
   * One change at a time: the others wait at the board's row. The workspace's comes before it, as everywhere, so that
   * nobody is made a member of it meanwhile.
   */
  async #require(
    em: EntityManager,
    action: BoardAction,
    { boardId, userId }: { boardId: string; userId: string },
  ) {
    // A board never changes its workspace.
    const [board] = await em.execute<{ workspace_id: string }[]>(
      'select workspace_id from boards where id = ?',
      [boardId],
    );
    if (board)
      await em.findOne(
        WorkspaceEntity,
        { id: board.workspace_id },
        { lockMode: LockMode.PESSIMISTIC_READ, refresh: true },
      );
    await em.findOne(BoardEntity, { id: boardId }, { lockMode: LockMode.PESSIMISTIC_WRITE });
    return requireOnBoard(em, action, { boardId, userId });
  }

  async #member(em: EntityManager, { boardId, memberId }: Target) {
    const member = await em.findOne(BoardMemberEntity, { boardId, userId: memberId });
    if (!member) throw new AppError('MEMBER_NOT_FOUND');
    return member;
  }

  /** The role on the board itself, undefined for who has none and is in the workspace; others are MEMBER_NOT_FOUND. */
  async #reachable(em: EntityManager, workspaceId: string, { boardId, memberId }: Target) {
    const member = await em.findOne(BoardMemberEntity, { boardId, userId: memberId });
    if (member) return member;
    // Who takes her out of it waits for the board, and takes the new role too.
    const standing = await workspaceStanding(em, workspaceId, memberId);
    if (standing?.role === undefined) throw new AppError('MEMBER_NOT_FOUND');
    return undefined;
  }

  #add(
    em: EntityManager,
    { boardId, memberId }: Target,
    { role, by }: { role: BoardRole; by: string },
  ): void {
    const joinedAt = nowOf(this.#context);
    em.create(
      BoardMemberEntity,
      { boardId, userId: memberId, role, invitedBy: by, joinedAt },
      { persist: true },
    );
  }

  async #requireOtherOwner(em: EntityManager, { boardId, memberId }: Target): Promise<void> {
    const others = await em.count(BoardMemberEntity, {
      boardId,
      role: 'owner',
      userId: { $ne: memberId },
    });
    if (others === 0) throw new AppError('LAST_OWNER');
  }
}
