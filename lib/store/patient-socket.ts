import { Socket } from 'node:net';

/** The server gives up a statement by itself; only one that cannot be heard any more is silent for so much longer. */
const SILENCE_MARGIN_MS = 2_000;

export interface SocketOptions {
  statementTimeoutMs: number;
  /** True while statements without a limit run (migrations): silence then says nothing. */
  isPatient: () => boolean;
}

/**
 * A socket to PostgreSQL that is cut when nothing comes over it for longer than a statement may take: a half-open
 * connection would never answer and never fail. The pool closes idle ones earlier, so that only waiting ones are met.
 */
export function openSocket({ statementTimeoutMs, isPatient }: SocketOptions): Socket {
  const socket = new Socket();
  const silenceMs = statementTimeoutMs + SILENCE_MARGIN_MS;
  const onSilence = () => {
    if (isPatient()) socket.setTimeout(silenceMs);
    else socket.destroy(new Error('The database has been silent for too long.'));
  };
  socket.setTimeout(silenceMs);
  socket.on('timeout', onSilence);
  return socket;
}
