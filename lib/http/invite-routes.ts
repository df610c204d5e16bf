import type { ApiRoute } from './api-route.ts';

const BOARD = '/api/boards/{boardId}';

export const INVITE_ROUTES: readonly ApiRoute[] = [
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
    counted: 'guess',
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
    counted: 'guess',
  },
];
