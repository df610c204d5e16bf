import { isAppError } from '../errors.ts';
import type { Refusal } from '../protocol/events.ts';
import type { NackCode } from '../protocol/nack-codes.ts';
import { createNack } from './nacks.ts';

const REFUSED_RETRY_MS = 1000;

/** The answer to a join, or a leave, that is not done. */
export function refusal(code: NackCode, message?: string, retryAfterMs = REFUSED_RETRY_MS): Refusal {
  const nack = createNack(code, { ...(message === undefined ? {} : { message }), retryAfterMs });
  return {
    ok: false,
    code,
    message: nack.message,
    permanent: nack.permanent,
    ...(nack.retryAfterMs === undefined ? {} : { retryAfterMs: nack.retryAfterMs }),
  };
}

/** What a failure on the way means to who has asked. */
export function codeOfFailure(error: unknown): NackCode {
  if (isAppError(error, 'STREAM_BUFFER_FULL')) return 'OVERLOADED';
  return isAppError(error, 'STORE_BEHIND') ? 'STORE_BEHIND' : 'UNAVAILABLE';
}
