import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Principal } from '../accounts/principal.ts';
import { SIGN_IN_MS, type SignedIn } from '../accounts/sign-ins.ts';
import type { TokenVerifier } from '../accounts/tokens.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../config.ts';
import { AppError, isAppError } from '../errors.ts';
import { clientAddressOf } from '../gateway/client-address.ts';
import type { Logger } from '../log.ts';
import { authenticate } from './api-handler.ts';
import { AUTH_PATH, AuthCookies } from './auth-cookies.ts';
import type { GuessLimit } from './guess-limit.ts';
import { ownOrigin, requireOwnPage, returnUrl } from './own-origin.ts';
import { sendProblem } from './problem.ts';

export interface AuthRouteParts {
  config: Pick<Config, 'publicUrl' | 'returnOrigins' | 'corsOrigins' | 'trustedProxyHops'>;
  clock: Clock;
  logger: Logger;
  verify: TokenVerifier;
  guesses: GuessLimit;
}

/** What moleculer-web hangs on a request. */
interface WebRequest extends IncomingMessage {
  originalUrl: string;
  $params?: { params?: Record<string, unknown>; query?: Record<string, unknown> };
  $ctx: {
    call(action: string, params: unknown, options?: { meta: Record<string, unknown> }): Promise<unknown>;
  };
}

interface Exchange {
  request: WebRequest;
  response: ServerResponse;
  parts: AuthRouteParts;
  /** Where the browser thinks it is. */
  origin: string;
  cookies: AuthCookies;
}

type Handler = (exchange: Exchange) => Promise<void>;

const KEYS_SECONDS = 300;
const TOKEN_BYTES = 32;
const TOKEN = /^[\w-]{16,128}$/;

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

async function listProviders({ request, response }: Exchange): Promise<void> {
  sendJson(response, { rows: await request.$ctx.call('auth.providers.list', {}) });
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
  sendJson(response, { rows: await callAs(principal, request, 'auth.sessions.list') });
}

async function revoke({ request, response, parts }: Exchange): Promise<void> {
  const principal = await authenticate(request, parts.verify);
  const sessionId = request.$params?.params?.sessionId;
  await callAs(principal, request, 'auth.sessions.revoke', { sessionId });
  response.writeHead(204).end();
}

/** Off to the provider. */
async function begin({ request, response, parts, origin, cookies }: Exchange): Promise<void> {
  const { config, clock, guesses } = parts;
  // Each one is a row.
  guesses.take(clientAddressOf(request, config.trustedProxyHops));
  const wanted = textIn(request, 'returnTo') ?? '/';
  const returnTo = returnUrl(wanted, origin, config);
  if (returnTo === undefined)
    throw new AppError('BAD_INPUT', {
      message: 'A sign-in does not return to this address.',
      data: { field: 'returnTo' },
    });
  const [state, browser] = [newToken(), newToken()];
  const provider = providerOf(request);
  const params = { provider, state, browser, returnTo, redirectUri: callbackOf(origin, provider) };
  const { url } = (await request.$ctx.call('auth.signIns.begin', params)) as { url: string };
  const expiresAt = new Date(clock.wallTime() + SIGN_IN_MS);
  response.appendHeader('set-cookie', cookies.setBrowser(state, browser, expiresAt));
  redirect(response, url);
}

/** Back from the provider. */
async function finish(exchange: Exchange): Promise<void> {
  const { request, response, origin, cookies } = exchange;
  const state = textIn(request, 'state') ?? '';
  const browser = TOKEN.test(state) ? cookies.browser(request, state) : undefined;
  if (browser === undefined) throw new AppError('SIGN_IN_FAILED');
  const provider = providerOf(request);
  const query = request.originalUrl.slice(request.originalUrl.indexOf('?'));
  response.appendHeader('set-cookie', cookies.clearBrowser(state));
  try {
    const userAgent = request.headers['user-agent']?.slice(0, 256);
    const signedIn = (await request.$ctx.call('auth.signIns.finish', {
      provider,
      state,
      browser,
      callbackUrl: callbackOf(origin, provider) + query,
      ...(userAgent === undefined ? {} : { userAgent }),
    })) as SignedIn & { returnTo: string | null };
    await endFormer(exchange);
    response.appendHeader('set-cookie', sessionCookie(exchange, signedIn));
    if (wantsJson(request)) sendJson(response, bodyOf(signedIn));
    else redirect(response, signedIn.returnTo ?? `${origin}/`);
  } catch (error) {
    const returnTo = isAppError(error) ? error.data?.returnTo : undefined;
    if (typeof returnTo !== 'string' || wantsJson(request)) throw error;
    const url = new URL(returnTo);
    url.searchParams.set('signInError', (error as AppError).type);
    redirect(response, url.href);
  }
}

async function refresh(exchange: Exchange): Promise<void> {
  const { request, response, parts, origin, cookies } = exchange;
  requireOwnPage(request, origin, parts.config);
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

async function logout({ request, response, parts, origin, cookies }: Exchange): Promise<void> {
  requireOwnPage(request, origin, parts.config);
  const token = cookies.session(request);
  if (token !== undefined) await request.$ctx.call('auth.sessions.end', { token });
  response.appendHeader('set-cookie', cookies.clearSession());
  response.writeHead(204).end();
}

/** The browser had signed in before, perhaps as somebody else: nobody has that cookie any more. */
async function endFormer({ request, parts, cookies }: Exchange): Promise<void> {
  const token = cookies.session(request);
  if (token === undefined) return;
  await request.$ctx.call('auth.sessions.end', { token }).catch((error: unknown) => {
    parts.logger.warn({ err: error }, 'the session before could not be ended');
  });
}

function callAs(
  principal: Principal,
  request: WebRequest,
  action: string,
  params: Record<string, unknown> = {},
): Promise<unknown> {
  return request.$ctx.call(action, params, { meta: { principal } });
}

function sessionCookie({ cookies }: Exchange, { session }: SignedIn): string {
  return cookies.setSession(session.token, new Date(session.expiresAt));
}

/** The session's token is in the cookie alone, where no script reads it. */
function bodyOf({ access, user }: SignedIn): object {
  return { accessToken: access.token, expiresAt: new Date(access.expiresAtMs).toISOString(), user };
}

function callbackOf(origin: string, provider: string): string {
  return `${origin}${AUTH_PATH}/${provider}/callback`;
}

function providerOf(request: WebRequest): string {
  const provider = String(request.$params?.params?.provider ?? '');
  if (!/^[a-z][a-z0-9-]{0,31}$/.test(provider)) throw new AppError('PROVIDER_NOT_FOUND');
  return provider;
}

function textIn({ $params }: WebRequest, name: string): string | undefined {
  const value = $params?.query?.[name];
  return typeof value === 'string' ? value : undefined;
}

function wantsJson({ headers }: IncomingMessage): boolean {
  return /\bapplication\/json\b/i.test(headers.accept ?? '');
}

function sendJson(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(body));
}

function redirect(response: ServerResponse, location: string): void {
  response.writeHead(302, { location }).end();
}

function newToken(): string {
  return randomBytes(TOKEN_BYTES).toString('base64url');
}
