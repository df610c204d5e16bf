import { createHash } from 'node:crypto';

/** SHA-256 in hex: enough for what has 256 random bits of its own. */
export function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
