import type { IncomingMessage } from 'node:http';

/**
 * Whether the page that asks may: of the own origin, or of one that `CORS_ORIGINS` names. A browser names the page's
 * origin, other clients name none. For HTTP and for sockets alike, since WebSockets know no CORS.
 */
export function isAllowedOrigin(
  { headers }: Pick<IncomingMessage, 'headers'>,
  allowed: readonly string[],
): boolean {
  const { origin, host } = headers;
  if (origin === undefined || allowed.includes('*') || allowed.includes(origin)) return true;
  return URL.canParse(origin) && new URL(origin).host === host;
}
