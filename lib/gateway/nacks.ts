import type { Nack } from '../protocol/events.ts';
import type { DocumentAddress } from '../protocol/ids.ts';
import type { ProtocolLimits } from '../protocol/limits.ts';
import { NACK_CODES, type NackCode } from '../protocol/nack-codes.ts';
import type { Position } from '../protocol/position.ts';

export interface NackDetails {
  address?: DocumentAddress;
  version?: number;
  message?: string;
  retryAfterMs?: number;
  position?: Position | undefined;
}

/** After this a client may send again what got a transient nack. */
const RETRY_AFTER_MS = 500;

/** Codes that say that a message could not be read: their senders are counted (maxBadMessages). */
const OFFENCES: ReadonlySet<NackCode> = new Set<NackCode>([
  'BAD_FRAME',
  'BAD_CHUNK',
  'BAD_ENVELOPE',
  'BAD_METADATA',
  'METADATA_TOO_LARGE',
  'BAD_ID',
  'BAD_REQUEST',
  'BAD_MESSAGE_TYPE',
  'BAD_UPDATE',
  'BAD_AWARENESS',
  'UPDATE_TOO_LARGE',
  'FRAME_TOO_LARGE',
]);

export function isOffence(code: NackCode): boolean {
  return OFFENCES.has(code);
}

/** Says the limit, so that a person or a client can keep to it. */
export function tooLargeMessage({ maxUpdateBytes }: Pick<ProtocolLimits, 'maxUpdateBytes'>): string {
  return `The update exceeds the limit of ${maxUpdateBytes} bytes.`;
}

export function createNack(code: NackCode, details: NackDetails = {}): Nack {
  const { permanent, message } = NACK_CODES[code];
  return {
    ...details.address,
    ...(details.version === undefined ? {} : { version: details.version }),
    code,
    message: details.message ?? message,
    permanent,
    ...(permanent ? {} : { retryAfterMs: details.retryAfterMs ?? RETRY_AFTER_MS }),
    ...(details.position ? { position: details.position } : {}),
  };
}
