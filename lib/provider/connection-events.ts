import type {
  Ack,
  CloseNotice,
  DocumentAddress,
  Metadata,
  Nack,
  Position,
  ProtocolFailure,
  StateHead,
} from '../protocol/index.ts';
import type { PresenceMessage } from './transport.ts';
import type { ConnectionStatus } from './connection-options.ts';

/** One message of a document as it came from the server. */
export interface ProtocolMessageEvent {
  metadata: Metadata;
  /** Where it is in the log; undefined for what is never stored (awareness, auth). */
  position: Position | undefined;
  /** Offset of the document's entry before it, -1 = none; undefined together with the position. */
  previous: number | undefined;
  /** Message type and content, as y-protocols writes them; a view on the frame. */
  payload: Uint8Array;
}

export interface ConnectionErrorEvent {
  /** The server's code for a refused handshake or a close, or `CONNECT_FAILED`, `TOKEN_FAILED`, `URL_FAILED`. */
  code: string;
  message: string;
  /** True when no further attempt is made. */
  permanent: boolean;
  url: string;
  cause?: unknown;
}

export interface ConnectionEvents {
  status: { status: ConnectionStatus };
  'message-sync': ProtocolMessageEvent;
  'message-awareness': ProtocolMessageEvent;
  'message-auth': ProtocolMessageEvent;
  'message-control': ProtocolMessageEvent;
  acks: { address: DocumentAddress; acks: Ack[] };
  /** The answer to a join, or a resume by the gateway itself (`head.join` 0). */
  state: { head: StateHead; payload: Uint8Array };
  nack: Nack;
  /** What the server says about the people of a room. */
  presence: PresenceMessage;
  /** A chunk of a state has come. */
  progress: { address: DocumentAddress; receivedBytes: number };
  'close-notice': CloseNotice;
  'connection-error': ConnectionErrorEvent;
  /** Something of the server could not be read; what it said is repaired by the next join. */
  'protocol-error': ProtocolFailure;
}
