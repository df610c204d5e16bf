import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { parseCookie, stringifySetCookie } from 'cookie';

/** Cookies go to the routes of sign-in alone. */
export const AUTH_PATH = '/api/auth';
const SESSION = 'ykafka_session';
const SIGN_IN = 'ykafka_signin_';
const TOKEN = /^[\w-]{16,128}$/;

/** Cookies of sign-in at an origin: never for scripts, never with requests that other sites make by themselves. */
export class AuthCookies {
  readonly #isSecure: boolean;

  constructor(origin: string) {
    this.#isSecure = origin.startsWith('https:');
  }

  session(request: IncomingMessage): string | undefined {
    return this.#read(request, SESSION);
  }

  /** Of the browser that began the sign-in; each sign-in has its own, so that two tabs do no harm to each other. */
  browser(request: IncomingMessage, state: string): string | undefined {
    return this.#read(request, SIGN_IN + digestOf(state));
  }

  setSession(token: string, expiresAt: Date): string {
    return this.#write(SESSION, token, expiresAt);
  }

  clearSession(): string {
    return this.#write(SESSION, '', new Date(0));
  }

  setBrowser(state: string, value: string, expiresAt: Date): string {
    return this.#write(SIGN_IN + digestOf(state), value, expiresAt);
  }

  clearBrowser(state: string): string {
    return this.#write(SIGN_IN + digestOf(state), '', new Date(0));
  }

  #read({ headers }: IncomingMessage, name: string): string | undefined {
    const value = parseCookie(headers.cookie ?? '')[this.#named(name)];
    return value !== undefined && TOKEN.test(value) ? value : undefined;
  }

  #write(name: string, value: string, expires: Date): string {
    return stringifySetCookie({
      name: this.#named(name),
      value,
      expires,
      path: AUTH_PATH,
      httpOnly: true,
      sameSite: 'lax',
      secure: this.#isSecure,
    });
  }

  /** With the prefix browsers take no such cookie from a page without TLS. */
  #named(name: string): string {
    return this.#isSecure ? `__Secure-${name}` : name;
  }
}

function digestOf(state: string): string {
  return createHash('sha256').update(state).digest('hex').slice(0, 16);
}
