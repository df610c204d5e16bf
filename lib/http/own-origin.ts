import type { IncomingMessage } from 'node:http';
import { isLoopback } from '../config-accounts.ts';
import type { Config } from '../config.ts';
import { AppError } from '../errors.ts';

type Settings = Pick<Config, 'host' | 'publicUrl' | 'returnOrigins' | 'corsOrigins'>;
type Request = Pick<IncomingMessage, 'headers'>;

const IPV4_LOOPBACK = /^127(\.\d{1,3}){3}$/;

/**
 * What every request passes, for HTTP and for sockets alike, since WebSockets know no CORS: it knows the server by a
 * name of its own, and its page is of the own origin or of one that `CORS_ORIGINS` names. A browser says where the
 * page is from, other clients say nothing. Throws FORBIDDEN.
 */
export function requireAllowedPage(
  request: Request,
  config: Pick<Settings, 'host' | 'publicUrl' | 'corsOrigins'>,
): void {
  requireOwnName(request, config);
  const { origin } = request.headers;
  if (origin === undefined || config.corsOrigins.includes('*')) return;
  if (!isOwnPage(request, origin, config) && !config.corsOrigins.includes(origin)) throw foreignPage();
}

/**
 * A request that acts by a cookie comes from a page of the own origin or of one that is named; every browser says
 * where from. Throws FORBIDDEN.
 */
export function requireOwnPage(request: Request, config: Pick<Settings, 'publicUrl' | 'corsOrigins'>): void {
  const { origin } = request.headers;
  if (origin !== undefined && (isOwnPage(request, origin, config) || config.corsOrigins.includes(origin)))
    return;
  throw foreignPage();
}

/**
 * The origin under which the browser knows this server: as configured; on loopback as it was asked, so that both
 * `localhost` and `127.0.0.1` work. Throws FORBIDDEN for any other name.
 */
export function ownOrigin({ headers }: Request, { publicUrl }: Pick<Settings, 'publicUrl'>): string {
  if (publicUrl !== '') return new URL(publicUrl).origin;
  const url = urlOfHost(headers.host);
  if (url !== undefined && isLoopbackName(url.hostname)) return url.origin;
  throw foreignName();
}

/** The address to return to after a sign-in, whole; undefined when it leads to a foreign origin. */
export function returnUrl(
  wanted: string,
  own: string,
  { returnOrigins }: Pick<Settings, 'returnOrigins'>,
): string | undefined {
  if (!URL.canParse(wanted, own)) return undefined;
  const url = new URL(wanted, own);
  const isAllowed = url.origin === own || returnOrigins.includes(url.origin);
  return isAllowed && url.username === '' && url.password === '' ? url.href : undefined;
}

/**
 * A foreign page may have its own name point to loopback, and would then be of the same origin as what answers there.
 * Behind a proxy (PUBLIC_URL) the name is what the proxy makes of it. Clients without a `Host` are no browsers.
 */
function requireOwnName(
  { headers }: Request,
  { host, publicUrl }: Pick<Settings, 'host' | 'publicUrl'>,
): void {
  if (!isLoopback(host) || publicUrl !== '' || headers.host === undefined) return;
  const url = urlOfHost(headers.host);
  if (url === undefined || !isLoopbackName(url.hostname)) throw foreignName();
}

/** Without PUBLIC_URL a page is of the server that it was fetched from; whether by TLS is known to a proxy alone. */
function isOwnPage(
  { headers }: Request,
  origin: string,
  { publicUrl }: Pick<Settings, 'publicUrl'>,
): boolean {
  if (publicUrl !== '') return origin === new URL(publicUrl).origin;
  return URL.canParse(origin) && new URL(origin).host === headers.host;
}

/** Names and addresses that no DNS server is asked for, as `URL` writes them. */
function isLoopbackName(hostname: string): boolean {
  return isLoopback(hostname) || hostname.endsWith('.localhost') || IPV4_LOOPBACK.test(hostname);
}

function urlOfHost(host: string | undefined): URL | undefined {
  const url = `http://${host ?? ''}`;
  return URL.canParse(url) ? new URL(url) : undefined;
}

function foreignName(): AppError {
  return new AppError('FORBIDDEN', {
    message:
      'This server is not known by this name. Set PUBLIC_URL to the address at which browsers reach it.',
  });
}

function foreignPage(): AppError {
  return new AppError('FORBIDDEN', { message: 'Pages of this origin may not ask here.' });
}
