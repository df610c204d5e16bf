import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

const SCHEME = 'Internal-Secret ';

/** Whether a request has the secret that systems of the operator share, in `Authorization: Internal-Secret <secret>`. */
export function createSecretCheck(secret: string): (request: Pick<IncomingMessage, 'headers'>) => boolean {
  const expected = digestOf(secret);
  return ({ headers: { authorization = '' } }) => {
    const given = authorization.startsWith(SCHEME) ? authorization.slice(SCHEME.length) : '';
    // Digests have one length, whatever was given: the comparison tells nothing by its time.
    return timingSafeEqual(digestOf(given), expected);
  };
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
