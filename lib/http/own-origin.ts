import type { IncomingMessage } from 'node:http';
import { isLoopback } from '../config-accounts.ts';
import { AppError } from '../errors.ts';

interface Origins {
  /** Empty on a machine of one's own. */
  publicUrl: string;
  /** Beside the own one. */
  returnOrigins: readonly string[];
  corsOrigins: readonly string[];
}

/**
 * The origin under which the browser knows this server: as configured; on loopback as it was asked, so that both
 * `localhost` and `127.0.0.1` work. Throws FORBIDDEN for any other name: a foreign page may have it point here.
 */
export function ownOrigin({ headers }: IncomingMessage, { publicUrl }: Pick<Origins, 'publicUrl'>): string {
  if (publicUrl !== '') return new URL(publicUrl).origin;
  const url = `http://${headers.host ?? ''}`;
  if (URL.canParse(url) && isLoopback(new URL(url).hostname)) return new URL(url).origin;
  throw new AppError('FORBIDDEN', { message: 'This server is not reached by this name.' });
}

/** The address to return to after a sign-in, whole; undefined when it leads to a foreign origin. */
export function returnUrl(
  wanted: string,
  own: string,
  { returnOrigins }: Pick<Origins, 'returnOrigins'>,
): string | undefined {
  if (!URL.canParse(wanted, own)) return undefined;
  const url = new URL(wanted, own);
  const isAllowed = url.origin === own || returnOrigins.includes(url.origin);
  return isAllowed && url.username === '' && url.password === '' ? url.href : undefined;
}

/**
 * A request that acts by a cookie comes from a page of the own origin or of one that is named; every browser says
 * where from. Throws FORBIDDEN.
 */
export function requireOwnPage(
  { headers }: IncomingMessage,
  own: string,
  { corsOrigins }: Pick<Origins, 'corsOrigins'>,
): void {
  const { origin } = headers;
  if (origin !== undefined && (origin === own || corsOrigins.includes(origin))) return;
  throw new AppError('FORBIDDEN', { message: 'Pages of this origin may not ask here.' });
}
