import type { AccountsAction } from '../accounts/params.ts';
import type { BoardAction, WorkspaceAction } from '../accounts/rules.ts';
import type { AppErrorType } from '../errors.ts';
import type { AnswerSchema } from './api-schemas.ts';

/**
 * Who may do it: a row of lib/accounts/rules.ts, everybody who has signed in (it is about oneself), or anyone at all.
 */
export type RouteRule = BoardAction | WorkspaceAction | 'signed-in' | 'anyone';

export type Method = 'get' | 'post' | 'patch' | 'delete';

/**
 * A route of the HTTP API. Routes, their description (/openapi.json) and the tests of who may do what are made from
 * these rows: what a request may hold stands in the params of the action.
 */
export interface ApiRoute {
  method: Method;
  /** As in OpenAPI: `{name}` is a param of the action. */
  path: `/api/${string}`;
  action: AccountsAction;
  rule: RouteRule;
  summary: string;
  status: 200 | 201 | 204;
  /** Undefined with 204. */
  answer?: AnswerSchema;
  /** Where what was made is found, from the fields of the answer. */
  location?: `/api/${string}`;
  /** Params that the gateway makes: `id` when the client names none, `token` always. */
  makes?: readonly ('id' | 'token')[];
  /** Errors beside those that every route has. */
  errors?: readonly AppErrorType[];
  /** Counted by the address of the client, since it says whether a guess is right. */
  isGuessable?: true;
  /** What the fields of the body have to be together. */
  bodyRule?: Record<string, unknown>;
}

const WORKSPACE = '/api/workspaces/{workspaceId}';
const BOARD = '/api/boards/{boardId}';

export const API_ROUTES: readonly ApiRoute[] = [
  {
    method: 'get',
    path: '/api/workspaces',
    action: 'workspaces.list',
    rule: 'signed-in',
    summary: 'One’s own workspaces',
    status: 200,
    answer: 'WorkspacePage',
  },
  {
    method: 'post',
    path: '/api/workspaces',
    action: 'workspaces.create',
    rule: 'signed-in',
    summary: 'Makes a workspace for a team',
    status: 201,
    answer: 'Workspace',
    location: '/api/workspaces/{id}',
    makes: ['id'],
    errors: ['ID_TAKEN'],
  },
  {
    method: 'get',
    path: WORKSPACE,
    action: 'workspaces.get',
    rule: 'workspace.read',
    summary: 'A workspace',
    status: 200,
    answer: 'Workspace',
  },
  {
    method: 'patch',
    path: WORKSPACE,
    action: 'workspaces.update',
    rule: 'workspace.update',
    summary: 'Renames a workspace',
    status: 200,
    answer: 'Workspace',
  },
  {
    method: 'delete',
    path: WORKSPACE,
    action: 'workspaces.remove',
    rule: 'workspace.delete',
    summary: 'Closes a workspace with its boards',
    status: 204,
    errors: ['PERSONAL_WORKSPACE'],
  },
  {
    method: 'post',
    path: `${WORKSPACE}/leave`,
    action: 'workspaces.leave',
    rule: 'workspace.leave',
    summary: 'Leaves a workspace and its boards',
    status: 204,
    errors: ['LAST_OWNER'],
  },
  {
    method: 'get',
    path: `${WORKSPACE}/members`,
    action: 'workspaces.members.list',
    rule: 'workspace.members.list',
    summary: 'Who belongs to a workspace',
    status: 200,
    answer: 'WorkspaceMemberPage',
  },
  {
    method: 'post',
    path: `${WORKSPACE}/members`,
    action: 'workspaces.members.add',
    rule: 'workspace.members.add',
    summary: 'Adds somebody who has an account, by id or e-mail address',
    status: 200,
    answer: 'WorkspaceMember',
    errors: ['ROLE_TOO_HIGH', 'MEMBER_NOT_FOUND', 'PERSONAL_WORKSPACE'],
    isGuessable: true,
    bodyRule: { oneOf: [{ required: ['userId'] }, { required: ['email'] }] },
  },
  {
    method: 'patch',
    path: `${WORKSPACE}/members/{userId}`,
    action: 'workspaces.members.update',
    rule: 'workspace.members.update',
    summary: 'Gives a member another role',
    status: 204,
    errors: ['ROLE_TOO_HIGH', 'MEMBER_NOT_FOUND', 'LAST_OWNER'],
  },
  {
    method: 'delete',
    path: `${WORKSPACE}/members/{userId}`,
    action: 'workspaces.members.remove',
    rule: 'workspace.members.remove',
    summary: 'Takes somebody out of a workspace and its boards',
    status: 204,
    errors: ['ROLE_TOO_HIGH', 'MEMBER_NOT_FOUND', 'LAST_OWNER'],
  },
  {
    method: 'get',
    path: `${WORKSPACE}/boards`,
    action: 'boards.list',
    rule: 'workspace.boards.list',
    summary: 'The boards of a workspace',
    status: 200,
    answer: 'BoardPage',
  },
  {
    method: 'get',
    path: `${WORKSPACE}/presence`,
    action: 'presence.boards.count',
    rule: 'workspace.boards.list',
    summary: 'How many are on each board of a workspace now',
    status: 200,
    answer: 'BoardPresencePage',
  },
  {
    method: 'post',
    path: `${WORKSPACE}/boards`,
    action: 'boards.create',
    rule: 'workspace.boards.create',
    summary: 'Makes a board; its id is the room of its documents',
    status: 201,
    answer: 'Board',
    location: '/api/boards/{id}',
    makes: ['id'],
    errors: ['ID_TAKEN'],
  },
  {
    method: 'get',
    path: '/api/boards',
    action: 'boards.own.list',
    rule: 'signed-in',
    summary: 'The boards on which one has a role of one’s own, in whosever workspace',
    status: 200,
    answer: 'BoardPage',
  },
  {
    method: 'get',
    path: BOARD,
    action: 'boards.get',
    rule: 'board.read',
    summary: 'A board',
    status: 200,
    answer: 'Board',
  },
  {
    method: 'patch',
    path: BOARD,
    action: 'boards.update',
    rule: 'board.update',
    summary: 'Changes the name or the picture of a board',
    status: 200,
    answer: 'Board',
  },
  {
    method: 'delete',
    path: BOARD,
    action: 'boards.remove',
    rule: 'board.delete',
    summary: 'Closes a board at once; it can be restored for a while',
    status: 204,
  },
  {
    method: 'post',
    path: `${BOARD}/restore`,
    action: 'boards.restore',
    rule: 'board.restore',
    summary: 'Opens a deleted board again',
    status: 200,
    answer: 'Board',
    errors: ['RESTORE_OVER'],
  },
  {
    method: 'post',
    path: `${BOARD}/transfer`,
    action: 'boards.transfer',
    rule: 'board.transfer',
    summary: 'Makes another member the owner',
    status: 204,
    errors: ['MEMBER_NOT_FOUND'],
  },
  {
    method: 'post',
    path: `${BOARD}/leave`,
    action: 'boards.leave',
    rule: 'board.leave',
    summary: 'Gives the own role on a board back',
    status: 204,
    errors: ['MEMBER_NOT_FOUND', 'LAST_OWNER'],
  },
  {
    method: 'get',
    path: `${BOARD}/presence`,
    action: 'presence.people.list',
    rule: 'board.read',
    summary: 'Who is on a board now',
    status: 200,
    answer: 'PersonPage',
    errors: ['SERVICE_UNAVAILABLE'],
  },
  {
    method: 'get',
    path: `${BOARD}/members`,
    action: 'boards.members.list',
    rule: 'board.members.list',
    summary: 'Who has a role on a board',
    status: 200,
    answer: 'BoardMemberPage',
  },
  {
    method: 'patch',
    path: `${BOARD}/members/{userId}`,
    action: 'boards.members.update',
    rule: 'board.members.update',
    summary: 'Gives a member another role',
    status: 204,
    errors: ['MEMBER_NOT_FOUND', 'LAST_OWNER'],
  },
  {
    method: 'delete',
    path: `${BOARD}/members/{userId}`,
    action: 'boards.members.remove',
    rule: 'board.members.remove',
    summary: 'Takes the role on a board from somebody',
    status: 204,
    errors: ['MEMBER_NOT_FOUND', 'LAST_OWNER'],
  },
  {
    method: 'post',
    path: `${BOARD}/invite`,
    action: 'invites.create',
    rule: 'board.invites.create',
    summary: 'Makes a link that gives a role; its token is in this answer alone',
    status: 201,
    answer: 'NewInvite',
    makes: ['id', 'token'],
    errors: ['ROLE_TOO_HIGH', 'ID_TAKEN'],
  },
  {
    method: 'get',
    path: `${BOARD}/invites`,
    action: 'invites.list',
    rule: 'board.invites.list',
    summary: 'The invites of a board',
    status: 200,
    answer: 'InvitePage',
  },
  {
    method: 'delete',
    path: `${BOARD}/invites/{inviteId}`,
    action: 'invites.revoke',
    rule: 'board.invites.revoke',
    summary: 'Ends an invite; what it gave stays given',
    status: 204,
    errors: ['INVITE_NOT_FOUND'],
  },
  {
    method: 'get',
    path: '/api/invites/{token}',
    action: 'invites.preview',
    rule: 'anyone',
    summary: 'What an invite is, before one accepts it',
    status: 200,
    answer: 'InvitePreview',
    errors: ['INVITE_NOT_FOUND', 'INVITE_OVER'],
    isGuessable: true,
  },
  {
    method: 'post',
    path: '/api/invites/{token}/accept',
    action: 'invites.accept',
    rule: 'signed-in',
    summary: 'Takes the role that an invite gives; twice is once',
    status: 200,
    answer: 'AcceptedInvite',
    errors: ['INVITE_NOT_FOUND', 'INVITE_OVER'],
    isGuessable: true,
  },
];

/** Routes of the gateway that are no rows above, each with who may ask it: whatever is added has to be here or there. */
export const OTHER_ROUTES: Readonly<Record<string, RouteRule>> = {
  'GET /health': 'anyone',
  'GET /health/ready': 'anyone',
  'GET /metrics': 'anyone',
  'GET /openapi.json': 'anyone',
  'GET /api/auth/providers': 'anyone',
  'GET /api/auth/jwks': 'anyone',
  'GET /api/auth/me': 'signed-in',
  'GET /api/auth/sessions': 'signed-in',
  'DELETE /api/auth/sessions/{sessionId}': 'signed-in',
  // By the cookie of the session, from pages of the own origin.
  'POST /api/auth/refresh': 'anyone',
  'POST /api/auth/logout': 'anyone',
  'GET /api/auth/{provider}': 'anyone',
  'GET /api/auth/{provider}/callback': 'anyone',
};

/** The names in the path. */
export function pathParams({ path }: Pick<ApiRoute, 'path'>): string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
}
