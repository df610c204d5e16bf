import { LockMode } from '@mikro-orm/core';
import { AppError } from '../errors.ts';
import { recordAccessChange } from './access-changes.ts';
import { nowOf, type AccountsContext, type EntityManager } from './context.ts';
import {
  BoardEntity,
  BoardMemberEntity,
  UserEntity,
  WorkspaceEntity,
  WorkspaceMemberEntity,
} from './entities.ts';
import { workspaceMemberPage, type WorkspaceMembersQuery } from './member-page.ts';
import type { Page } from './paging.ts';
import { requireInWorkspace } from './permissions.ts';
import { mayChangeInWorkspace, type WorkspaceAction, type WorkspaceRole } from './rules.ts';
import type { MemberView } from './views.ts';

interface Target {
  workspaceId: string;
  memberId: string;
}

/** Who belongs to a workspace. There is always an owner: the workspace's row is locked by every change. */
export class WorkspaceMembers {
  readonly #context: AccountsContext;

  constructor(context: AccountsContext) {
    this.#context = context;
  }

  list(
    userId: string,
    workspaceId: string,
    query: WorkspaceMembersQuery = {},
  ): Promise<Page<MemberView<WorkspaceRole>>> {
    return this.#context.database.entities(async (em) => {
      await requireInWorkspace(em, 'workspace.members.list', { workspaceId, userId });
      return workspaceMemberPage(em, workspaceId, query);
    });
  }

  /** Somebody who has an account, by id or e-mail address. Who is a member already stays as she is. */
  add(
    userId: string,
    workspaceId: string,
    { memberId, email, role }: { memberId?: string; email?: string; role: WorkspaceRole },
  ): Promise<MemberView<WorkspaceRole>> {
    return this.#context.database.entities(async (em) => {
      const standing = await this.#require(em, 'workspace.members.add', { workspaceId, userId });
      if (standing.type === 'personal') throw new AppError('PERSONAL_WORKSPACE');
      if (!mayChangeInWorkspace(standing.role, { to: role })) throw new AppError('ROLE_TOO_HIGH');
      const user =
        memberId !== undefined
          ? await em.findOne(UserEntity, { id: memberId })
          : await em.findOne(UserEntity, { email: email! });
      if (!user)
        throw new AppError('MEMBER_NOT_FOUND', {
          message: 'Nobody with an account here has this id or e-mail address.',
        });
      const known = await em.findOne(WorkspaceMemberEntity, { workspaceId, userId: user.id });
      const member =
        known ??
        em.create(
          WorkspaceMemberEntity,
          { workspaceId, userId: user.id, role, joinedAt: nowOf(this.#context) },
          { persist: true },
        );
      if (!known) recordAccessChange(em, { tenantId: workspaceId, userId: user.id });
      return {
        userId: user.id,
        name: user.name,
        avatarUrl: user.avatarUrl ?? null,
        role: member.role,
        joinedAt: member.joinedAt.toISOString(),
      };
    });
  }

  update(
    userId: string,
    { workspaceId, memberId }: Target,
    { role }: { role: WorkspaceRole },
  ): Promise<void> {
    return this.#context.database.entities(async (em) => {
      const standing = await this.#require(em, 'workspace.members.update', { workspaceId, userId });
      const member = await this.#member(em, { workspaceId, memberId });
      if (!mayChangeInWorkspace(standing.role, { of: member.role, to: role }))
        throw new AppError('ROLE_TOO_HIGH');
      if (member.role === role) return;
      if (member.role === 'owner') await this.#handOver(em, { workspaceId, memberId });
      member.role = role;
      recordAccessChange(em, { tenantId: workspaceId, userId: memberId });
    });
  }

  /** Oneself (`workspace.leave`) or another. Takes the roles on the workspace's boards too. */
  remove(userId: string, { workspaceId, memberId }: Target): Promise<void> {
    return this.#context.database.entities(async (em) => {
      const action = memberId === userId ? 'workspace.leave' : 'workspace.members.remove';
      const standing = await this.#require(em, action, { workspaceId, userId });
      const member = await this.#member(em, { workspaceId, memberId });
      const isOwn = memberId === userId;
      if (!isOwn && !mayChangeInWorkspace(standing.role, { of: member.role }))
        throw new AppError('ROLE_TOO_HIGH');
      if (member.role === 'owner') await this.#handOver(em, { workspaceId, memberId });
      await this.#leaveBoards(em, { workspaceId, memberId });
      await em.nativeDelete(WorkspaceMemberEntity, { workspaceId, userId: memberId });
      // No role is left on any of its boards: each was locked, and none can be made meanwhile.
      recordAccessChange(em, { tenantId: workspaceId, userId: memberId, revoked: true });
    });
  }

  /** One change at a time: the others wait at the workspace's row. */
  async #require(
    em: EntityManager,
    action: WorkspaceAction,
    { workspaceId, userId }: { workspaceId: string; userId: string },
  ) {
    await em.findOne(WorkspaceEntity, { id: workspaceId }, { lockMode: LockMode.PESSIMISTIC_WRITE });
    return requireInWorkspace(em, action, { workspaceId, userId });
  }

  async #member(em: EntityManager, { workspaceId, memberId }: Target) {
    const member = await em.findOne(WorkspaceMemberEntity, { workspaceId, userId: memberId });
    if (!member) throw new AppError('MEMBER_NOT_FOUND');
    return member;
  }

  /** An owner stops being one: another must be there, and stands as the workspace's owner from here on. */
  async #handOver(em: EntityManager, { workspaceId, memberId }: Target): Promise<void> {
    const next = await em.findOne(
      WorkspaceMemberEntity,
      { workspaceId, role: 'owner', userId: { $ne: memberId } },
      { orderBy: { joinedAt: 'asc' } },
    );
    if (!next) throw new AppError('LAST_OWNER');
    await em.nativeUpdate(WorkspaceEntity, { id: workspaceId, ownerId: memberId }, { ownerId: next.userId });
  }

  /** Boards that would be without an owner go to the workspace's. */
  async #leaveBoards(em: EntityManager, { workspaceId, memberId }: Target): Promise<void> {
    const workspace = await em.findOneOrFail(WorkspaceEntity, { id: workspaceId });
    const boards = await em.find(
      BoardEntity,
      { workspaceId },
      { lockMode: LockMode.PESSIMISTIC_WRITE, orderBy: { id: 'asc' } },
    );
    const boardIds = boards.map(({ id }) => id);
    const owners = await em.find(BoardMemberEntity, { boardId: { $in: boardIds }, role: 'owner' });
    const heir = await em.refreshOrFail(workspace).then(({ ownerId }) => ownerId);
    for (const boardId of boardIds) {
      const ofBoard = owners.filter((owner) => owner.boardId === boardId);
      if (ofBoard.length !== 1 || ofBoard[0]!.userId !== memberId) continue;
      await em.upsert(BoardMemberEntity, {
        boardId,
        userId: heir,
        role: 'owner',
        invitedBy: null,
        joinedAt: nowOf(this.#context),
      });
    }
    await em.nativeDelete(BoardMemberEntity, { boardId: { $in: boardIds }, userId: memberId });
  }
}
