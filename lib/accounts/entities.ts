import { defineEntity, p } from '@mikro-orm/core';
import type { RoomRoles } from './principal.ts';

/** The tables of people and what they own. Migrations make them; a test holds that both say the same. */

const at = () => p.datetime(3).columnType('timestamptz(3)');
const now = () => at().defaultRaw('now()');

export const UserEntity = defineEntity({
  name: 'User',
  tableName: 'users',
  uniques: [{ name: 'users_oauth_unique', properties: ['oauthProvider', 'oauthId'] }],
  properties: {
    id: p.uuid().primary(),
    /** Only one that the provider has verified; null also when another account has it already. */
    email: p.text().nullable().unique('users_email_unique'),
    name: p.text(),
    avatarUrl: p.text().nullable(),
    oauthProvider: p.text(),
    /** The provider's `sub`. */
    oauthId: p.text(),
    createdAt: now(),
    updatedAt: now(),
  },
});

export const SessionEntity = defineEntity({
  name: 'Session',
  tableName: 'sessions',
  indexes: [{ name: 'sessions_user_index', properties: ['userId'] }],
  properties: {
    id: p.uuid().primary(),
    userId: p.manyToOne(UserEntity).mapToPk().joinColumn('user_id').deleteRule('cascade'),
    /** SHA-256 of the token that is valid now, in hex. */
    token: p.text().unique('sessions_token_unique'),
    userAgent: p.text().nullable(),
    expiresAt: at(),
    refreshedAt: now(),
    createdAt: now(),
  },
});

/** Ended before their access tokens have: gateways take those no more. Gone when the last of them has ended. */
export const EndedSessionEntity = defineEntity({
  name: 'EndedSession',
  tableName: 'ended_sessions',
  indexes: [{ name: 'ended_sessions_expiry_index', properties: ['expiresAt'] }],
  properties: {
    id: p.uuid().primary(),
    /** No access token of the session is taken from here on. */
    expiresAt: at(),
  },
});

/** Tokens that a refresh has replaced: one that comes again was stolen, or its answer was lost. */
export const SpentTokenEntity = defineEntity({
  name: 'SpentToken',
  tableName: 'session_spent_tokens',
  indexes: [{ name: 'session_spent_tokens_session_index', properties: ['sessionId'] }],
  properties: {
    token: p.text().primary(),
    sessionId: p.manyToOne(SessionEntity).mapToPk().joinColumn('session_id').deleteRule('cascade'),
    spentAt: at(),
  },
});

/** A sign-in on its way to the provider and back; taken away by its callback, so that none is used twice. */
export const SignInEntity = defineEntity({
  name: 'SignIn',
  tableName: 'sign_ins',
  properties: {
    /** SHA-256 of `state`, in hex. */
    state: p.text().primary(),
    provider: p.text(),
    nonce: p.text(),
    codeVerifier: p.text(),
    /** SHA-256 of the cookie of the browser that began it. */
    browser: p.text(),
    returnTo: p.text().nullable(),
    expiresAt: at(),
  },
});

/** Keys of access tokens. The private one is encrypted by the process (lib/accounts/tokens). */
export const SigningKeyEntity = defineEntity({
  name: 'SigningKey',
  tableName: 'signing_keys',
  properties: {
    kid: p.text().primary(),
    algorithm: p.text(),
    publicJwk: p.json<Record<string, unknown>>(),
    privateJwk: p.text(),
    createdAt: at(),
    /** Signs nothing from here on. */
    retiresAt: at(),
    /** Proves nothing from here on. */
    expiresAt: at(),
  },
});

/** What tokens of servers say, without the tokens themselves; gone when they have ended. */
export const ServiceTokenEntity = defineEntity({
  name: 'ServiceToken',
  tableName: 'service_tokens',
  properties: {
    id: p.uuid().primary(),
    name: p.text(),
    tenantId: p.text(),
    rooms: p.json<RoomRoles>(),
    createdAt: at(),
    expiresAt: at(),
    revokedAt: at().nullable(),
  },
});

export const WorkspaceEntity = defineEntity({
  name: 'Workspace',
  tableName: 'workspaces',
  indexes: [{ name: 'workspaces_owner_index', properties: ['ownerId'] }],
  properties: {
    id: p.uuid().primary(),
    name: p.text(),
    type: p.enum(['personal', 'team']),
    ownerId: p.manyToOne(UserEntity).mapToPk().joinColumn('owner_id').deleteRule('restrict'),
    createdAt: now(),
    /** Closed like its boards, and taken away after the last of them. */
    deletedAt: at().nullable(),
  },
});

export const WorkspaceMemberEntity = defineEntity({
  name: 'WorkspaceMember',
  tableName: 'workspace_members',
  indexes: [{ name: 'workspace_members_user_index', properties: ['userId'] }],
  properties: {
    workspaceId: p
      .manyToOne(WorkspaceEntity)
      .primary()
      .mapToPk()
      .joinColumn('workspace_id')
      .deleteRule('cascade'),
    userId: p.manyToOne(UserEntity).primary().mapToPk().joinColumn('user_id').deleteRule('cascade'),
    role: p.enum(['owner', 'admin', 'member']),
    joinedAt: now(),
  },
});

/** Its id is the roomId of its documents, the workspace's id their tenant. */
export const BoardEntity = defineEntity({
  name: 'Board',
  tableName: 'boards',
  indexes: [{ name: 'boards_workspace_index', properties: ['workspaceId'] }],
  properties: {
    id: p.uuid().primary(),
    workspaceId: p.manyToOne(WorkspaceEntity).mapToPk().joinColumn('workspace_id').deleteRule('cascade'),
    name: p.text(),
    thumbnailUrl: p.text().nullable(),
    createdBy: p.manyToOne(UserEntity).mapToPk().joinColumn('created_by').deleteRule('restrict'),
    createdAt: now(),
    updatedAt: now(),
    /** Closed, and purged when the time for a restore is over. */
    deletedAt: at().nullable(),
  },
});

export const BoardMemberEntity = defineEntity({
  name: 'BoardMember',
  tableName: 'board_members',
  indexes: [{ name: 'board_members_user_index', properties: ['userId'] }],
  properties: {
    boardId: p.manyToOne(BoardEntity).primary().mapToPk().joinColumn('board_id').deleteRule('cascade'),
    userId: p.manyToOne(UserEntity).primary().mapToPk().joinColumn('user_id').deleteRule('cascade'),
    role: p.enum(['owner', 'editor', 'viewer']),
    invitedBy: p.manyToOne(UserEntity).mapToPk().joinColumn('invited_by').nullable().deleteRule('set null'),
    joinedAt: now(),
  },
});

export const BoardInviteEntity = defineEntity({
  name: 'BoardInvite',
  tableName: 'board_invites',
  indexes: [{ name: 'board_invites_board_index', properties: ['boardId'] }],
  properties: {
    id: p.uuid().primary(),
    boardId: p.manyToOne(BoardEntity).mapToPk().joinColumn('board_id').deleteRule('cascade'),
    /** SHA-256 of the token, in hex: who reads the table cannot accept. */
    token: p.text().unique('board_invites_token_unique'),
    role: p.enum(['owner', 'editor', 'viewer']),
    expiresAt: at().nullable(),
    /** Null for any number. */
    maxUses: p.integer().nullable(),
    uses: p.integer().default(0),
    revokedAt: at().nullable(),
    createdBy: p.manyToOne(UserEntity).mapToPk().joinColumn('created_by').deleteRule('restrict'),
    createdAt: now(),
  },
});

/** Documents of a board that need a higher role than the board itself. */
export const DocumentRuleEntity = defineEntity({
  name: 'DocumentRule',
  tableName: 'board_document_rules',
  uniques: [{ name: 'board_document_rules_document_unique', properties: ['boardId', 'document'] }],
  properties: {
    id: p.uuid().primary(),
    boardId: p.manyToOne(BoardEntity).mapToPk().joinColumn('board_id').deleteRule('cascade'),
    /** An id, or a beginning of ids with `*` at its end (document-limits.ts). */
    document: p.text(),
    read: p.enum(['owner', 'editor', 'viewer']),
    write: p.enum(['owner', 'editor']),
  },
});

/** What the gateways have to hear of changed rights; written with the change, taken away once it is in the log. */
export const AccessChangeEntity = defineEntity({
  name: 'AccessChange',
  tableName: 'access_changes',
  properties: {
    id: p.bigint('number').primary().autoincrement(),
    change: p.json<Record<string, unknown>>(),
    at: now(),
  },
});

export const ACCOUNT_ENTITIES = [
  UserEntity,
  SessionEntity,
  EndedSessionEntity,
  SpentTokenEntity,
  SignInEntity,
  SigningKeyEntity,
  ServiceTokenEntity,
  WorkspaceEntity,
  WorkspaceMemberEntity,
  BoardEntity,
  BoardMemberEntity,
  BoardInviteEntity,
  DocumentRuleEntity,
  AccessChangeEntity,
];
