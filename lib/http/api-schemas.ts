import { BOARD_ROLES, WORKSPACE_ROLES, WORKSPACE_TYPES, WRITERS } from '../accounts/rules.ts';
import { INVITE_STATES } from '../accounts/views.ts';

/** JSON Schemas (2020-12) of what the HTTP API answers; the types are in lib/accounts/views.ts. A test holds both together. */

type Schema = Record<string, unknown>;

const uuid: Schema = { type: 'string', format: 'uuid' };
const text: Schema = { type: 'string' };
const dateTime: Schema = { type: 'string', format: 'date-time' };
const count: Schema = { type: 'integer', minimum: 0 };
const boardRole: Schema = { enum: BOARD_ROLES };
const workspaceRole: Schema = { enum: WORKSPACE_ROLES };
const orNull = (schema: Schema): Schema => ({ ...schema, type: [schema.type, 'null'] });

/** Every property is there, and no other. */
export function object(properties: Record<string, Schema>): Schema {
  return { type: 'object', properties, required: Object.keys(properties), additionalProperties: false };
}

const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });
/** What lists answer. */
export const pageOf = (row: Schema): Schema =>
  object({
    rows: { type: 'array', items: row },
    total: count,
    page: { type: 'integer', minimum: 1 },
    pageSize: { type: 'integer', minimum: 1 },
    totalPages: count,
  });

const member = (role: Schema) => ({
  userId: uuid,
  name: text,
  avatarUrl: orNull(text),
  role,
  joinedAt: dateTime,
});

const invite = {
  id: uuid,
  boardId: uuid,
  role: boardRole,
  expiresAt: orNull(dateTime),
  maxUses: { type: ['integer', 'null'] },
  uses: count,
  revokedAt: orNull(dateTime),
  state: {
    enum: INVITE_STATES,
    description: 'over: expired, revoked or used up, or its maker may no longer give what it gives.',
  },
  createdBy: uuid,
  createdAt: dateTime,
};

export const ANSWER_SCHEMAS = {
  Workspace: object({
    id: uuid,
    name: text,
    type: { enum: WORKSPACE_TYPES },
    ownerId: uuid,
    createdAt: dateTime,
    role: workspaceRole,
  }),
  WorkspacePage: pageOf(ref('Workspace')),
  WorkspaceMember: object(member(workspaceRole)),
  WorkspaceMemberPage: pageOf(ref('WorkspaceMember')),
  Board: object({
    id: uuid,
    workspaceId: uuid,
    name: text,
    thumbnailUrl: orNull(text),
    createdBy: uuid,
    createdAt: dateTime,
    updatedAt: dateTime,
    deletedAt: orNull(dateTime),
    purgeAt: orNull(dateTime),
    role: boardRole,
  }),
  BoardPage: pageOf(ref('Board')),
  BoardMember: object({
    ...member({
      ...boardRole,
      description: 'The one that counts: the higher of the own one and that of the workspace.',
    }),
    inherited: { type: 'boolean', description: 'The role comes from the workspace.' },
  }),
  BoardMemberPage: pageOf(ref('BoardMember')),
  Person: object({
    // Of a service that is there it is what the service is called.
    userId: text,
    name: orNull(text),
    cursor: {
      type: ['object', 'null'],
      properties: { x: { type: 'number' }, y: { type: 'number' }, docId: text },
      required: ['x', 'y'],
      additionalProperties: false,
    },
    connections: { type: 'integer', minimum: 1, description: 'Tabs and devices.' },
    lastSeen: { ...orNull(dateTime), description: 'When something was last shown.' },
  }),
  PersonPage: pageOf(ref('Person')),
  BoardPresence: object({
    boardId: uuid,
    people: { type: ['integer', 'null'], minimum: 0, description: 'Null when it cannot be told now.' },
  }),
  BoardPresencePage: pageOf(ref('BoardPresence')),
  Invite: object(invite),
  InvitePage: pageOf(ref('Invite')),
  NewInvite: object({ ...invite, token: text }),
  InvitePreview: object({
    boardId: uuid,
    boardName: text,
    role: boardRole,
    invitedBy: text,
    expiresAt: orNull(dateTime),
  }),
  DocumentRule: object({ id: uuid, document: text, read: boardRole, write: { enum: WRITERS } }),
  DocumentRulePage: pageOf(ref('DocumentRule')),
  AcceptedInvite: object({ boardId: uuid, role: boardRole }),
} as const satisfies Record<string, Schema>;

export type AnswerSchema = keyof typeof ANSWER_SCHEMAS;

/** RFC 9457. */
export const PROBLEM_SCHEMA: Schema = {
  type: 'object',
  properties: {
    type: { const: 'about:blank' },
    title: { type: 'string', description: 'The HTTP status in words.' },
    status: { type: 'integer' },
    code: { type: 'string', description: 'Stable: programs decide by it.' },
    detail: { type: 'string', description: 'For people.' },
    errors: {
      type: 'array',
      description: 'With BAD_INPUT: which fields, and why.',
      items: {
        type: 'object',
        properties: { field: { type: 'string' }, rule: { type: 'string' }, detail: { type: 'string' } },
        required: ['field'],
        additionalProperties: false,
      },
    },
  },
  required: ['type', 'title', 'status', 'code', 'detail'],
  additionalProperties: false,
};
