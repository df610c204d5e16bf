import type { ServerResponse } from 'node:http';
import type { Principal } from '../accounts/principal.ts';
import type { SignedIn } from '../accounts/sign-ins.ts';
import type { Config } from '../config.ts';
import { AppError, isAppError } from '../errors.ts';
import { authenticate } from './api-handler.ts';
import { AUTH_PATH, AuthCookies } from './auth-cookies.ts';
import {
  bodyOf,
  sendJson,
  sessionCookie,
  type AuthRouteParts,
  type Exchange,
  type WebRequest,
} from './auth-exchange.ts';
import { ownOrigin, requireOwnPage } from './own-origin.ts';
import { sendProblem } from './problem.ts';
import { begin, finish } from './sign-in-routes.ts';

type Handler = (exchange: Exchange) => Promise<void>;

const KEYS_SECONDS = 300;

/** Below /api/auth; `:provider` comes last, so that no provider hides another route. */
const HANDLERS: Readonly<Record<string, Handler>> = {
  'GET /providers': listProviders,
  'GET /jwks': keys,
  'GET /me': me,
  'GET /sessions': sessions,
  'DELETE /sessions/:sessionId': revoke,
  'POST /refresh': refresh,
  'POST /logout': logout,
  'GET /:provider': begin,
  'GET /:provider/callback': finish,
};

/** Method and path of each, as OpenAPI writes them. */
export const AUTH_ROUTES: readonly string[] = Object.keys(HANDLERS).map((alias) =>
  alias.replace(' ', ` ${AUTH_PATH}`).replace(/:(\w+)/g, '{$1}'),
);

/** The routes of moleculer-web for sign-in, sessions and keys. Errors are answered as problems. */
export function authWebRoutes(parts: AuthRouteParts): object[] {
  const aliases: Record<string, (request: WebRequest, response: ServerResponse) => Promise<void>> = {};
  for (const [alias, handle] of Object.entries(HANDLERS))
    aliases[alias] = async (request, response) => {
      try {
        response.setHeader('cache-control', 'no-store');
        const origin = ownOrigin(request, parts.config);
        await handle({ request, response, parts, origin, cookies: new AuthCookies(origin) });
      } catch (error) {
        sendProblem(response, error, parts.logger);
      }
    };
  return [{ path: AUTH_PATH, bodyParsers: false, mergeParams: false, mappingPolicy: 'restrict', aliases }];
}

/** Where nobody signs in here: pages ask first how one gets in. */
export function noSignInWebRoutes({ auth }: Pick<Config, 'auth'>): object[] {
  const answer = (_request: unknown, response: ServerResponse) => sendJson(response, { auth, rows: [] });
  const aliases = { 'GET /providers': answer };
  return [{ path: AUTH_PATH, bodyParsers: false, mergeParams: false, mappingPolicy: 'restrict', aliases }];
}

async function listProviders({ request, response }: Exchange): Promise<void> {
  sendJson(response, { auth: 'accounts', rows: await request.$ctx.call('auth.providers.list', {}) });
}

async function keys({ request, response }: Exchange): Promise<void> {
  const answer = await request.$ctx.call('auth.keys.list', {});
  response.setHeader('cache-control', `public, max-age=${KEYS_SECONDS}`);
  sendJson(response, answer);
}

async function me({ request, response, parts }: Exchange): Promise<void> {
  sendJson(response, await callAs(await authenticate(request, parts.verify), request, 'auth.users.get'));
}

async function sessions({ request, response, parts }: Exchange): Promise<void> {
  const principal = await authenticate(request, parts.verify);
  const query = request.$params?.query ?? {};
  sendJson(response, await callAs(principal, request, 'auth.sessions.list', query));
}

async function revoke({ request, response, parts }: Exchange): Promise<void> {
  const principal = await authenticate(request, parts.verify);
  const sessionId = request.$params?.params?.sessionId;
  await callAs(principal, request, 'auth.sessions.revoke', { sessionId });
  response.writeHead(204).end();
}

async function refresh(exchange: Exchange): Promise<void> {
  const { request, response, parts, cookies } = exchange;
  requireOwnPage(request, parts.config);
  const token = cookies.session(request);
  if (token === undefined) throw new AppError('UNAUTHENTICATED');
  try {
    const signedIn = (await request.$ctx.call('auth.sessions.refresh', { token })) as SignedIn;
    response.appendHeader('set-cookie', sessionCookie(exchange, signedIn));
    sendJson(response, bodyOf(signedIn));
  } catch (error) {
    if (isAppError(error, 'UNAUTHENTICATED')) response.appendHeader('set-cookie', cookies.clearSession());
    throw error;
  }
}

async function logout({ request, response, parts, cookies }: Exchange): Promise<void> {
  requireOwnPage(request, parts.config);
  const token = cookies.session(request);
  if (token !== undefined) await request.$ctx.call('auth.sessions.end', { token });
  response.appendHeader('set-cookie', cookies.clearSession());
  response.writeHead(204).end();
}

function callAs(
  principal: Principal,
  request: WebRequest,
  action: string,
  params: Record<string, unknown> = {},
): Promise<unknown> {
  return request.$ctx.call(action, params, { meta: { principal } });
}
