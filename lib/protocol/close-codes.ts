import type { NackCode } from './nack-codes.ts';

/**
 * Why the server closes a whole connection. Sent as the event `protocol-close` just before the
 * disconnect; a permanent reason tells the provider not to connect again by itself.
 */
export const CLOSE_CODES = {
  SLOW_CONSUMER: { permanent: false, message: 'The connection did not keep up with its documents.' },
  REPEATED_OFFENDER: { permanent: true, message: 'Too many unreadable messages from this connection.' },
  SERVER_STOPPING: { permanent: false, message: 'The server is stopping; connect again.' },
  UNAUTHENTICATED: { permanent: true, message: 'The token is missing, invalid or expired.' },
} as const satisfies Record<string, { permanent: boolean; message: string }>;

export type CloseCode = keyof typeof CLOSE_CODES;

export interface CloseNotice {
  code: CloseCode;
  message: string;
  permanent: boolean;
  /** With a transient code: the client connects again after so many milliseconds, and some jitter. */
  retryAfterMs?: number;
  cause?: NackCode;
}
