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
  /**
   * What it is counted as. guess: by the address of the client, since it says whether a guess is right. presence: by who
   * asks, since the gateways have to be asked in turn.
   */
  counted?: 'guess' | 'presence';
  /** What the fields of the body have to be together. */
  bodyRule?: Record<string, unknown>;
}
