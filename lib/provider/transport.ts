import type {
  CloseNotice,
  DocumentAddress,
  HandshakeAuth,
  JoinAnswer,
  JoinRequest,
  Nack,
  RenewAnswer,
} from '../protocol/index.ts';

/** Why a connection could not be made or has ended. */
export interface TransportClosed {
  /** A code of the server when it refused the handshake. */
  code?: string;
  message: string;
  /** True when the server says that the same attempt cannot succeed. */
  permanent: boolean;
  /** The next attempt comes no sooner: the server asked for it. */
  retryAfterMs?: number;
  cause?: unknown;
}

/** One of the `presence:` events. */
export interface PresenceMessage {
  event: string;
  content: object;
}

export interface TransportHandlers {
  onOpen(): void;
  onFrame(frame: Uint8Array): void;
  onNack(nack: Nack): void;
  onCloseNotice(notice: CloseNotice): void;
  onPresence?(message: PresenceMessage): void;
  /** The server asks for a new token. */
  onRenew?(expiresInMs: number): void;
  /** Once, after which nothing comes any more; also when opening fails. Not called after `close()`. */
  onClosed(reason: TransportClosed): void;
}

/**
 * One connection attempt and the connection that comes of it. It never connects again by itself.
 * Answers and frames are handed over in the order in which the server sent them.
 */
export interface Transport {
  /** Not answered when the connection ends first. */
  join(request: JoinRequest, onAnswer: (answer: JoinAnswer) => void): void;
  leave(address: DocumentAddress): void;
  send(frame: Uint8Array): void;
  /** Not answered when the connection ends first. */
  renew?(token: string, onAnswer: (answer: RenewAnswer) => void): void;
  /** May be lost. */
  showPresence?(message: PresenceMessage): void;
  /** Sends what was handed over before, then ends. */
  close(): void;
}

/** Begins to connect at once; must not call a handler before it has returned. */
export type TransportFactory = (url: string, auth: HandshakeAuth, handlers: TransportHandlers) => Transport;
