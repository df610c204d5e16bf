import type { IncomingMessage, ServerResponse } from 'node:http';
import type { SignedIn } from '../accounts/sign-ins.ts';
import type { TokenVerifier } from '../accounts/tokens.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../config.ts';
import type { Logger } from '../log.ts';
import type { AuthCookies } from './auth-cookies.ts';
import type { RequestLimit } from './request-limit.ts';

export interface AuthRouteParts {
  config: Pick<Config, 'publicUrl' | 'returnOrigins' | 'corsOrigins' | 'trustedProxyHops'>;
  clock: Clock;
  logger: Logger;
  verify: TokenVerifier;
  guesses: RequestLimit;
}

/** What moleculer-web hangs on a request. */
export interface WebRequest extends IncomingMessage {
  originalUrl: string;
  $params?: { params?: Record<string, unknown>; query?: Record<string, unknown> };
  $ctx: {
    call(action: string, params: unknown, options?: { meta: Record<string, unknown> }): Promise<unknown>;
  };
}

/** A request to a route of sign-in. */
export interface Exchange {
  request: WebRequest;
  response: ServerResponse;
  parts: AuthRouteParts;
  /** Where the browser thinks it is. */
  origin: string;
  cookies: AuthCookies;
}

export function sendJson(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(body));
}

export function sessionCookie({ cookies }: Exchange, { session }: SignedIn): string {
  return cookies.setSession(session.token, new Date(session.expiresAt));
}

/** The session's token is in the cookie alone, where no script reads it. */
export function bodyOf({ access, user }: SignedIn): object {
  return { accessToken: access.token, expiresAt: new Date(access.expiresAtMs).toISOString(), user };
}
