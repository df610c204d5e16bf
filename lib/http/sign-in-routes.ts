import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { SIGN_IN_MS, type SignedIn } from '../accounts/sign-ins.ts';
import { APP_ERRORS, AppError, isAppError } from '../errors.ts';
import { clientAddressOf } from '../gateway/client-address.ts';
import { AUTH_PATH } from './auth-cookies.ts';
import { bodyOf, sendJson, sessionCookie, type Exchange, type WebRequest } from './auth-exchange.ts';
import { returnUrl } from './own-origin.ts';
import { sendProblem } from './problem.ts';
import { networkOf } from './request-limit.ts';
import { sendTroublePage } from './trouble-page.ts';

const TOKEN_BYTES = 32;
const TOKEN = /^[\w-]{16,128}$/;

/** Off to the provider. */
export async function begin(exchange: Exchange): Promise<void> {
  try {
    await beginSignIn(exchange);
  } catch (error) {
    sendTrouble(exchange, error);
  }
}

async function beginSignIn({ request, response, parts, origin, cookies }: Exchange): Promise<void> {
  const { config, clock, guesses } = parts;
  // Each one is a row.
  await guesses.take(networkOf(clientAddressOf(request, config.trustedProxyHops)));
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
export async function finish(exchange: Exchange): Promise<void> {
  const { request, response, cookies } = exchange;
  const state = textIn(request, 'state') ?? '';
  const isKnown = TOKEN.test(state);
  try {
    const browser = isKnown ? cookies.browser(request, state) : undefined;
    if (browser === undefined) throw new AppError('SIGN_IN_FAILED');
    const signedIn = await finishSignIn(exchange, state, browser);
    await endFormer(exchange);
    response.appendHeader('set-cookie', cookies.clearBrowser(state));
    response.appendHeader('set-cookie', sessionCookie(exchange, signedIn));
    if (wantsJson(request)) sendJson(response, bodyOf(signedIn));
    else redirect(response, signedIn.returnTo ?? `${exchange.origin}/`);
  } catch (error) {
    // What may go well when the page is asked for again needs the cookie then.
    const isOver = !(isAppError(error) && APP_ERRORS[error.type].retryable);
    if (isKnown && isOver) response.appendHeader('set-cookie', cookies.clearBrowser(state));
    const returnTo = isAppError(error) ? error.data?.returnTo : undefined;
    if (typeof returnTo !== 'string' || wantsJson(request)) return sendTrouble(exchange, error);
    const url = new URL(returnTo);
    url.searchParams.set('signInError', (error as AppError).type);
    redirect(response, url.href);
  }
}

async function finishSignIn({ request, origin }: Exchange, state: string, browser: string) {
  const provider = providerOf(request);
  const query = request.originalUrl.slice(request.originalUrl.indexOf('?'));
  const userAgent = request.headers['user-agent']?.slice(0, 256);
  return (await request.$ctx.call('auth.signIns.finish', {
    provider,
    state,
    browser,
    callbackUrl: callbackOf(origin, provider) + query,
    ...(userAgent === undefined ? {} : { userAgent }),
  })) as SignedIn & { returnTo: string | null };
}

/** The browser had signed in before, perhaps as somebody else: nobody has that cookie any more. */
async function endFormer({ request, parts, cookies }: Exchange): Promise<void> {
  const token = cookies.session(request);
  if (token === undefined) return;
  await request.$ctx.call('auth.sessions.end', { token }).catch((error: unknown) => {
    parts.logger.warn({ err: error }, 'the session before could not be ended');
  });
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

/** Programs get a problem; a person whose browser stands here gets a page. */
function sendTrouble({ request, response, parts }: Exchange, error: unknown): void {
  if (/\btext\/html\b/i.test(request.headers.accept ?? '')) {
    const provider = String(request.$params?.params?.provider ?? '');
    sendTroublePage(response, error, {
      beginUrl: `${AUTH_PATH}/${encodeURIComponent(provider)}`,
      logger: parts.logger,
    });
  } else sendProblem(response, error, parts.logger);
}

function redirect(response: ServerResponse, location: string): void {
  response.writeHead(302, { location }).end();
}

function newToken(): string {
  return randomBytes(TOKEN_BYTES).toString('base64url');
}
