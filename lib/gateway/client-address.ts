import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';

const MAPPED_IPV4 = /^::ffff:(?=\d+\.)/i;
const WITH_PORT = /^(?:\[([^\]]+)\]|([^:]+))(?::\d+)?$/;

/**
 * The network address of a client behind so many trusted proxies, each of which adds to `X-Forwarded-For` whom it
 * was called by; with 0 that header is anybody's word and is not read. Undefined when nothing says one.
 */
export function clientAddressOf(
  { headers, socket }: Pick<IncomingMessage, 'headers'> & { socket: { remoteAddress?: string | undefined } },
  trustedProxyHops: number,
): string | undefined {
  const caller = addressIn(socket.remoteAddress ?? '');
  const header = headers['x-forwarded-for'];
  if (trustedProxyHops === 0 || header === undefined) return caller;
  const forwarded = String(header).split(',');
  // Beyond the trusted ones a client can write what it likes.
  return addressIn(forwarded[Math.max(0, forwarded.length - trustedProxyHops)]!) ?? caller;
}

/** Some proxies name a port as well. */
function addressIn(text: string): string | undefined {
  const trimmed = text.trim().replace(MAPPED_IPV4, '');
  if (isIP(trimmed)) return trimmed;
  const [, bracketed, plain] = WITH_PORT.exec(trimmed) ?? [];
  const address = (bracketed ?? plain ?? '').replace(MAPPED_IPV4, '');
  return isIP(address) ? address : undefined;
}
