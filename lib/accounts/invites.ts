import { LockMode } from '@mikro-orm/core';
import { AppError } from '../errors.ts';
import { recordAccessChange } from './access-changes.ts';
import { nowOf, type AccountsContext, type EntityManager } from './context.ts';
import { BoardEntity, BoardInviteEntity, BoardMemberEntity, UserEntity } from './entities.ts';
import { hashOf } from './hashes.ts';
import { inviteOf, invitePage, type InvitesQuery } from './invite-page.ts';
import type { Page } from './paging.ts';
import { boardStanding, requireOnBoard } from './permissions.ts';
import { isAtLeast, mayChangeOnBoard, mayRevokeInvite, type BoardRole } from './rules.ts';
import type { InviteView } from './views.ts';

export interface NewInvite {
  id: string;
  /** The same id with the same token is the same invite, with another one ID_TAKEN; made when it is left out. */
  token?: string;
  role: BoardRole;
  expiresAt?: Date | null;
  maxUses?: number | null;
}

/** What somebody with the link may know before accepting. */
export interface InvitePreview {
  boardId: string;
  boardName: string;
  role: BoardRole;
  invitedBy: string;
  expiresAt: string | null;
}

interface InviteRow {
  boardId: string;
  role: BoardRole;
  expiresAt?: Date | null;
  maxUses?: number | null;
  uses: number;
  revokedAt?: Date | null;
  createdBy: string;
}

/** Links that give a role on a board. */
export class Invites {
  readonly #context: AccountsContext;

  constructor(context: AccountsContext) {
    this.#context = context;
  }

  /** The token is in this answer and nowhere else: the table has its hash. */
  create(userId: string, boardId: string, invite: NewInvite): Promise<InviteView & { token: string }> {
    return this.#context.database.entities(async (em) => {
      const { role } = await requireOnBoard(em, 'board.invites.create', { boardId, userId });
      if (!mayChangeOnBoard(role, { to: invite.role })) throw new AppError('ROLE_TOO_HIGH');
      const createdAt = nowOf(this.#context);
      if (invite.expiresAt && invite.expiresAt <= createdAt)
        throw new AppError('BAD_INPUT', {
          message: '`expiresAt` lies in the past.',
          data: { field: 'expiresAt' },
        });
      const token = invite.token ?? this.#context.newToken();
      const known = await em.findOne(BoardInviteEntity, { id: invite.id });
      if (known) {
        const isSame = known.boardId === boardId && known.token === hashOf(token);
        if (!isSame) throw new AppError('ID_TAKEN');
        return { ...(await inviteOf(em, { boardId, now: createdAt }, invite.id)), token };
      }
      em.create(
        BoardInviteEntity,
        {
          id: invite.id,
          boardId,
          token: hashOf(token),
          role: invite.role,
          expiresAt: invite.expiresAt ?? null,
          maxUses: invite.maxUses ?? null,
          uses: 0,
          revokedAt: null,
          createdBy: userId,
          createdAt,
        },
        { persist: true },
      );
      await em.flush();
      return { ...(await inviteOf(em, { boardId, now: createdAt }, invite.id)), token };
    });
  }

  list(userId: string, boardId: string, query: InvitesQuery = {}): Promise<Page<InviteView>> {
    return this.#context.database.entities(async (em) => {
      await requireOnBoard(em, 'board.invites.list', { boardId, userId });
      return invitePage(em, { boardId, now: nowOf(this.#context) }, query);
    });
  }

  /** What it gave stays given. Twice is once. */
  revoke(userId: string, { boardId, inviteId }: { boardId: string; inviteId: string }): Promise<void> {
    return this.#context.database.entities(async (em) => {
      const { role } = await requireOnBoard(em, 'board.invites.revoke', { boardId, userId });
      const invite = await em.findOne(
        BoardInviteEntity,
        { id: inviteId, boardId },
        { lockMode: LockMode.PESSIMISTIC_WRITE },
      );
      if (!invite) throw new AppError('INVITE_NOT_FOUND');
      if (!mayRevokeInvite(role, { isOwn: invite.createdBy === userId })) throw new AppError('FORBIDDEN');
      invite.revokedAt ??= nowOf(this.#context);
    });
  }

  /** For who has the link. INVITE_NOT_FOUND, or INVITE_OVER when it gives nothing any more. */
  preview(token: string): Promise<InvitePreview> {
    return this.#context.database.entities(async (em) => {
      const invite = await em.findOne(BoardInviteEntity, { token: hashOf(token) });
      const board = invite && (await em.findOne(BoardEntity, { id: invite.boardId, deletedAt: null }));
      if (!invite || !board) throw new AppError('INVITE_NOT_FOUND');
      await this.#requireValid(em, invite);
      const maker = await em.findOne(UserEntity, { id: invite.createdBy });
      return {
        boardId: board.id,
        boardName: board.name,
        role: invite.role,
        invitedBy: maker?.name ?? '',
        expiresAt: invite.expiresAt?.toISOString() ?? null,
      };
    });
  }

  /** Accepting twice is harmless and counts once; nobody's role gets lower by it. */
  accept(userId: string, token: string): Promise<{ boardId: string; role: BoardRole }> {
    return this.#context.database.entities(async (em) => {
      const named = await em.findOne(BoardInviteEntity, { token: hashOf(token) });
      // The board first, as everywhere: two changes can never wait for each other.
      const board =
        named &&
        (await em.findOne(
          BoardEntity,
          { id: named.boardId, deletedAt: null },
          { lockMode: LockMode.PESSIMISTIC_WRITE },
        ));
      const invite =
        board &&
        (await em.findOne(
          BoardInviteEntity,
          { id: named!.id },
          { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true },
        ));
      if (!invite || !board) throw new AppError('INVITE_NOT_FOUND');
      const boardId = board.id;
      const member = await em.findOne(BoardMemberEntity, { boardId, userId });
      if (member && isAtLeast(member.role, invite.role)) return { boardId, role: member.role };
      await this.#requireValid(em, invite);
      invite.uses++;
      if (member) member.role = invite.role;
      else
        em.create(
          BoardMemberEntity,
          {
            boardId,
            userId,
            role: invite.role,
            invitedBy: invite.createdBy,
            joinedAt: nowOf(this.#context),
          },
          { persist: true },
        );
      recordAccessChange(em, { tenantId: board.workspaceId, roomId: boardId, userId });
      return { boardId, role: invite.role };
    });
  }

  async #requireValid(em: EntityManager, invite: InviteRow): Promise<void> {
    const { expiresAt, revokedAt, maxUses, uses } = invite;
    const isExpired = expiresAt ? expiresAt <= nowOf(this.#context) : false;
    const isUsedUp = uses >= (maxUses ?? Infinity);
    if (isExpired || isUsedUp || revokedAt) throw new AppError('INVITE_OVER');
    // What its maker may no longer give, it no longer gives.
    const maker = await boardStanding(em, invite.boardId, invite.createdBy);
    if (!maker?.role || !mayChangeOnBoard(maker.role, { to: invite.role })) throw new AppError('INVITE_OVER');
  }
}
