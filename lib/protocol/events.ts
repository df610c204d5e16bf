import type { CloseNotice } from './close-codes.ts';
import type { DocumentAddress } from './ids.ts';
import type { ProtocolLimits } from './limits.ts';
import type { NackCode } from './nack-codes.ts';
import type { Position } from './position.ts';
import type {
  PresenceJoin,
  PresenceLeave,
  PresenceSync,
  PresenceUpdate,
  PresenceViewportUpdate,
} from './presence.ts';
import type { VersionRanges } from './ranges.ts';

/** Names of the Socket.IO events, once. */
export const SocketEvent = {
  Join: 'join',
  Leave: 'leave',
  Message: 'protocol-message',
  Nack: 'protocol-nack',
  Close: 'protocol-close',
  Renew: 'auth-renew',
  PresenceUpdate: 'presence:update',
  PresenceViewport: 'presence:viewport',
  PresenceSync: 'presence:sync',
  PresenceJoin: 'presence:join',
  PresenceLeave: 'presence:leave',
} as const;

export interface HandshakeAuth {
  token?: string;
  codec?: string;
}

export interface JoinRequest extends DocumentAddress {
  senderId: string;
  /** Where the client stands; left out for a full state. */
  position?: Position;
  /** The highest position the client has heard of, also when it asks for a full state. */
  heard?: Position;
  /** What the client has, so that only the rest of a full state is sent. */
  stateVector?: Uint8Array;
}

export interface JoinAccepted {
  ok: true;
  /** Number of this join on this socket; the state frame that answers it carries the same. */
  join: number;
  position: Position;
  readOnly: boolean;
  /** State vector of the server at `position`; empty when the answer is a delta. */
  stateVector: Uint8Array;
  appended: VersionRanges;
  /** Bytes of the state frame that follows, for a progress display. */
  stateBytes: number;
  /** What this server takes; a server of an earlier version does not say. */
  limits?: Pick<ProtocolLimits, 'maxUpdateBytes' | 'maxFrameBytes'>;
}

export interface Refusal {
  ok: false;
  code: NackCode;
  message: string;
  permanent: boolean;
  retryAfterMs?: number;
}

export type JoinAnswer = JoinAccepted | Refusal;
export type LeaveAnswer = { ok: true } | Refusal;

/** The server asks for a new token in time before the one of the connection ends. */
export interface RenewRequest {
  expiresInMs: number;
}

/** `expiresInMs` is null for a token that does not end. */
export type RenewAnswer = { ok: true; expiresInMs: number | null } | Refusal;

/** The content of `protocol-nack`. Without `version` it speaks of a frame that could not be read. */
export interface Nack extends Partial<DocumentAddress> {
  version?: number;
  code: NackCode;
  message: string;
  permanent: boolean;
  retryAfterMs?: number;
  /** With GENERATION_CHANGED: the barrier. */
  position?: Position;
}

export interface ServerToClientEvents {
  'protocol-message': (frame: Uint8Array) => void;
  'protocol-nack': (nack: Nack) => void;
  'protocol-close': (notice: CloseNotice) => void;
  'auth-renew': (request: RenewRequest) => void;
  'presence:sync': (sync: PresenceSync) => void;
  'presence:join': (join: PresenceJoin) => void;
  'presence:leave': (leave: PresenceLeave) => void;
}

export interface ClientToServerEvents {
  join: (request: JoinRequest, answer: (answer: JoinAnswer) => void) => void;
  leave: (address: DocumentAddress, answer: (answer: LeaveAnswer) => void) => void;
  'protocol-message': (frame: Uint8Array) => void;
  'auth-renew': (auth: HandshakeAuth, answer: (answer: RenewAnswer) => void) => void;
  'presence:update': (update: PresenceUpdate) => void;
  'presence:viewport': (viewport: PresenceViewportUpdate) => void;
}
