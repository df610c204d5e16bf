import type { AccountsAction } from '../accounts/params.ts';
import type { AppErrorType } from '../errors.ts';
import type { Method } from './api-routes.ts';
import { object, pageOf } from './api-schemas.ts';

type Schema = Record<string, unknown>;

/** A route of sign-in (lib/http/auth-routes.ts) as the description tells it. */
export interface AuthOperation {
  method: Method;
  path: string;
  operationId: string;
  summary: string;
  /** What proves who asks; undefined for nothing. */
  proof?: 'accessToken' | 'session';
  query?: Readonly<Record<string, string>>;
  /** The action of a list: its params are asked by the query, and it answers a page. */
  list?: AccountsAction;
  /** Undefined where there is no body. */
  answer?: Schema;
  /** The answer in words: of a 200, or a 204 without `answer`. */
  done: string;
  /** A browser is sent on to. */
  redirect?: string;
  errors?: readonly AppErrorType[];
}

const text: Schema = { type: 'string' };
const dateTime: Schema = { type: 'string', format: 'date-time' };
const orNull: Schema = { type: ['string', 'null'] };

const user = object({
  id: { ...text, format: 'uuid' },
  email: orNull,
  name: text,
  avatarUrl: orNull,
  createdAt: dateTime,
});
const signedIn = object({ accessToken: text, expiresAt: dateTime, user });
const session = object({
  id: { ...text, format: 'uuid' },
  userAgent: orNull,
  createdAt: dateTime,
  refreshedAt: dateTime,
  expiresAt: dateTime,
  isCurrent: { type: 'boolean' },
});

const PROVIDER_ERRORS = ['PROVIDER_NOT_FOUND', 'PROVIDER_UNAVAILABLE'] as const;

/** In the order in which somebody meets them. */
export const AUTH_OPERATIONS: readonly AuthOperation[] = [
  {
    method: 'get',
    path: '/api/auth/providers',
    operationId: 'auth.providers.list',
    summary: 'Where one can sign in',
    answer: object({
      auth: { enum: ['none', 'accounts', 'jwt'] },
      rows: { type: 'array', items: object({ name: text, label: text }) },
    }),
    done: 'How one gets in (`AUTH`), and the providers: names and labels.',
  },
  {
    method: 'get',
    path: '/api/auth/{provider}',
    operationId: 'auth.signIns.begin',
    summary: 'Begins a sign-in: sends the browser to the provider',
    query: { returnTo: 'Where the browser goes afterwards: here, or at an origin that is allowed.' },
    done: '',
    redirect: 'The provider.',
    errors: [...PROVIDER_ERRORS, 'RATE_LIMITED'],
  },
  {
    method: 'get',
    path: '/api/auth/{provider}/callback',
    operationId: 'auth.signIns.finish',
    summary: 'Ends a sign-in: sets the cookie of the session',
    query: { state: 'As the provider sends it.', code: 'As the provider sends it.' },
    answer: signedIn,
    done: 'For who accepts application/json alone.',
    redirect: 'The address that the sign-in was begun with; `signInError` in its query when it failed.',
    errors: [...PROVIDER_ERRORS, 'SIGN_IN_FAILED'],
  },
  {
    method: 'post',
    path: '/api/auth/refresh',
    operationId: 'auth.sessions.refresh',
    summary: 'A new access token by the cookie of the session, whose token is replaced',
    proof: 'session',
    answer: signedIn,
    done: 'The token; it lasts for minutes.',
  },
  {
    method: 'post',
    path: '/api/auth/logout',
    operationId: 'auth.sessions.end',
    summary: 'Ends the session of the cookie everywhere',
    proof: 'session',
    done: 'Done, also when there was none.',
  },
  {
    method: 'get',
    path: '/api/auth/me',
    operationId: 'auth.users.get',
    summary: 'Who asks',
    proof: 'accessToken',
    answer: user,
    done: 'The account.',
  },
  {
    method: 'get',
    path: '/api/auth/sessions',
    operationId: 'auth.sessions.list',
    summary: 'One’s own sessions',
    proof: 'accessToken',
    list: 'auth.sessions.list',
    answer: pageOf(session),
    done: 'The newest first, unless something else is asked.',
  },
  {
    method: 'delete',
    path: '/api/auth/sessions/{sessionId}',
    operationId: 'auth.sessions.revoke',
    summary: 'Ends one of one’s own sessions',
    proof: 'accessToken',
    done: 'Done.',
  },
  {
    method: 'get',
    path: '/api/auth/jwks',
    operationId: 'auth.keys.list',
    summary: 'The public keys of access tokens (JWKS)',
    answer: {
      type: 'object',
      properties: {
        keys: { type: 'array', items: { type: 'object', required: ['kty', 'kid', 'alg', 'use'] } },
      },
      required: ['keys'],
    },
    done: 'Every key that may still prove something.',
  },
];
