import { NACK_CODES, type NackCode } from './nack-codes.ts';

/** Why bytes from outside were refused. `message` may be shown to the sender: it never quotes content. */
export interface ProtocolFailure {
  code: NackCode;
  message: string;
}

export type Decoded<T> = { ok: true; value: T } | { ok: false; failure: ProtocolFailure };

export function decoded<T>(value: T): Decoded<T> {
  return { ok: true, value };
}

export function failed(code: NackCode, message?: string): { ok: false; failure: ProtocolFailure } {
  return { ok: false, failure: { code, message: message ?? NACK_CODES[code].message } };
}

/** Thrown by the convenience functions that hand back a bare value (never by the gateway's door). */
export class ProtocolError extends Error {
  readonly code: NackCode;
  constructor(failure: ProtocolFailure) {
    super(failure.message);
    this.name = 'ProtocolError';
    this.code = failure.code;
  }
}

export function unwrap<T>(result: Decoded<T>): T {
  if (!result.ok) throw new ProtocolError(result.failure);
  return result.value;
}
