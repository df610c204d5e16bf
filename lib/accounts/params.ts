import { MAX_PAGE_SIZE } from './paging.ts';
import { BOARD_ROLES, WORKSPACE_ROLES, WORKSPACE_TYPES, WRITERS } from './rules.ts';
import { INVITE_STATES } from './views.ts';

/**
 * Params of the actions on workspaces, boards and invites, once: the services check by them, the HTTP API knows from
 * them what a request may hold, and its description is made from them (lib/http/param-schema.ts).
 */

/** What the checks of this project's actions use of fastest-validator, and what the description can say. */
export type ParamRule = (
  | {
      type: 'string';
      pattern: string;
      patternFlags?: string;
      trim?: boolean;
      lowercase?: boolean;
      format?: string;
    }
  | { type: 'number'; integer: true; min: number; max: number; convert?: boolean }
  | { type: 'enum'; values: readonly string[] }
) & { optional?: true; nullable?: true; description?: string };

export type ActionParams = Readonly<Record<string, ParamRule>>;

const MAX_PAGE = 1_000_000;
const MAX_USES = 100_000;

/** Of any version; capitals are the same id and are made small, as PostgreSQL does. */
const uuid = {
  type: 'string',
  pattern: '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$',
  lowercase: true,
  format: 'uuid',
} as const;

/** A line that people read; PostgreSQL takes no NUL, and nobody a name of nothing but blanks. */
const name = {
  type: 'string',
  pattern: '^(?=.*\\S)[^\\u0000-\\u001f\\u007f]{1,100}$',
  patternFlags: 'u',
  trim: true,
} as const;

const search = {
  type: 'string',
  pattern: '^[^\\u0000-\\u001f\\u007f]{0,100}$',
  patternFlags: 'u',
  description: 'A part of the name, with or without capitals and accents.',
} as const;

const token = {
  type: 'string',
  pattern: '^[A-Za-z0-9_-]{43}$',
  description: '256 random bits, base64url.',
} as const;

const email = {
  type: 'string',
  pattern: '^[^\\s@\\u0000-\\u001f\\u007f]{1,64}@[^\\s@\\u0000-\\u001f\\u007f]{1,185}$',
  patternFlags: 'u',
} as const;

const url = {
  type: 'string',
  pattern: '^https?://[^\\s\\u0000-\\u001f\\u007f]{1,2000}$',
  patternFlags: 'u',
} as const;

const dateTime = {
  type: 'string',
  pattern:
    '^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$',
  format: 'date-time',
} as const;

/** As documents are named, with nothing that PostgreSQL does not take. */
const document = {
  type: 'string',
  pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]{1,257}$',
  patternFlags: 'u',
  description: 'A document’s id, `id/subdocument`, or a beginning of ids with `*` at its end.',
} as const;

const boardRole = { type: 'enum', values: BOARD_ROLES } as const;
const workspaceRole = { type: 'enum', values: WORKSPACE_ROLES } as const;

const pageParams = {
  page: { type: 'number', integer: true, min: 1, max: MAX_PAGE, convert: true, optional: true },
  pageSize: { type: 'number', integer: true, min: 1, max: MAX_PAGE_SIZE, convert: true, optional: true },
} as const;

/** Params of a list; each field with `-` before it for the other direction. */
function listOf<Field extends string>(...sortable: Field[]) {
  return {
    ...pageParams,
    sort: {
      type: 'enum',
      values: sortable.flatMap((field) => [field, `-${field}`]),
      optional: true,
      description: 'A field; with - before it in the other direction. Roles: the least first.',
    },
  } as const;
}

const searched = { search: { ...search, optional: true } } as const;

/** Of a list: only those of which this is so. */
function only<const Value extends string>(values: readonly Value[], description: string) {
  return { type: 'enum', values, optional: true, description } as const;
}

/** By the names of the actions. */
export const ACTION_PARAMS = {
  'workspaces.list': {
    ...listOf('name', 'createdAt'),
    ...searched,
    type: only(WORKSPACE_TYPES, 'Only those of this type.'),
  },
  'workspaces.get': { workspaceId: uuid },
  'workspaces.create': { id: uuid, name },
  'workspaces.update': { workspaceId: uuid, name },
  'workspaces.remove': { workspaceId: uuid },
  'workspaces.leave': { workspaceId: uuid },
  'workspaces.members.list': {
    workspaceId: uuid,
    ...listOf('name', 'joinedAt', 'role'),
    ...searched,
    role: only(WORKSPACE_ROLES, 'Only those who have this role.'),
  },
  'workspaces.members.add': {
    workspaceId: uuid,
    userId: { ...uuid, optional: true },
    email: { ...email, optional: true },
    role: workspaceRole,
  },
  'workspaces.members.update': { workspaceId: uuid, userId: uuid, role: workspaceRole },
  'workspaces.members.remove': { workspaceId: uuid, userId: uuid },
  'boards.list': {
    workspaceId: uuid,
    ...listOf('name', 'createdAt', 'updatedAt'),
    ...searched,
    deleted: {
      type: 'enum',
      values: ['true', 'false'],
      optional: true,
      description: 'With `true` the deleted ones that one may restore, each until `purgeAt`.',
    },
  },
  'boards.own.list': { ...listOf('name', 'createdAt', 'updatedAt'), ...searched },
  'boards.get': { boardId: uuid },
  'boards.create': { id: uuid, workspaceId: uuid, name },
  'boards.update': {
    boardId: uuid,
    name: { ...name, optional: true },
    thumbnailUrl: { ...url, optional: true, nullable: true },
  },
  'boards.remove': { boardId: uuid },
  'boards.restore': { boardId: uuid },
  'boards.leave': { boardId: uuid },
  'boards.transfer': { boardId: uuid, userId: uuid },
  'boards.members.list': {
    boardId: uuid,
    ...listOf('name', 'joinedAt', 'role'),
    ...searched,
    role: only(BOARD_ROLES, 'Only those for whom this role counts.'),
    inherited: only(['true', 'false'], 'Only those whose role comes from the workspace, or only the others.'),
  },
  'boards.members.update': { boardId: uuid, userId: uuid, role: boardRole },
  'boards.members.remove': { boardId: uuid, userId: uuid },
  'boards.rules.list': { boardId: uuid, ...listOf('document') },
  'boards.rules.set': {
    boardId: uuid,
    id: uuid,
    document,
    read: { ...boardRole, optional: true },
    write: { type: 'enum', values: WRITERS, optional: true },
  },
  'boards.rules.remove': { boardId: uuid, ruleId: uuid },
  'invites.create': {
    id: uuid,
    token,
    boardId: uuid,
    role: boardRole,
    expiresAt: { ...dateTime, optional: true, nullable: true },
    maxUses: { type: 'number', integer: true, min: 1, max: MAX_USES, optional: true, nullable: true },
  },
  'invites.list': {
    boardId: uuid,
    ...listOf('createdAt', 'expiresAt', 'role'),
    state: only(INVITE_STATES, 'Only those that still give their role, or only the others.'),
  },
  'invites.revoke': { boardId: uuid, inviteId: uuid },
  'presence.people.list': { boardId: uuid, ...pageParams },
  'presence.boards.count': { workspaceId: uuid, ...listOf('name', 'createdAt', 'updatedAt'), ...searched },
  'invites.preview': { token },
  'invites.accept': { token },
  'auth.sessions.list': { ...listOf('createdAt', 'refreshedAt', 'expiresAt') },
} as const satisfies Record<string, ActionParams>;

export type AccountsAction = keyof typeof ACTION_PARAMS;

/** For an action's `params`: nothing else is taken. */
export function strictly(action: AccountsAction) {
  return { $$strict: true, ...ACTION_PARAMS[action] };
}
