import type { RoomRoles } from '../accounts/principal.ts';
import type { CloseCode, CloseNotice } from '../protocol/close-codes.ts';
import type { Nack } from '../protocol/events.ts';
import type { DocumentAddress, DocumentId, DocumentKey } from '../protocol/ids.ts';
import type { NackCode } from '../protocol/nack-codes.ts';

/** Who a connection belongs to; decided at the handshake, never taken from a message. */
export interface Identity {
  /** Of all its documents; left out where each room has its own (see `DocumentAccess`). */
  tenantId?: string;
  userId?: string;
  /** Its end ends the connection. */
  sessionId?: string;
  /** Wall time at which its token ends. */
  expiresAtMs?: number;
  /** Shown to others. */
  name?: string;
  /** What the token itself gives, where it does. */
  rooms?: RoomRoles;
}

export interface DocumentAccess {
  read: boolean;
  /** unknown: it may have been taken away, and nobody can be asked now; updates wait at the client. */
  write: boolean | 'unknown';
  /** Of the document, where it does not follow from the identity. */
  tenantId?: string;
}

/** The one question about permissions: may this user use this document? Answers are cached by the adapter. */
export interface AccessControl {
  /** A refused connection gets the code as a typed `connect_error` before anything else happens. */
  identify(auth: unknown): Promise<{ ok: true; identity: Identity } | { ok: false; code: NackCode }>;
  /** Rejects when it cannot be told now. */
  mayUse(identity: Identity, document: DocumentAddress): DocumentAccess | Promise<DocumentAccess>;
}

/**
 * A frame that may go to many connections; it is encoded once for each wire form, at its first use.
 * `wireForms` belongs to the transports.
 */
export interface SharedFrame {
  /** The frame in parts, which must not be changed: a part may be in frames of many connections. */
  readonly parts: readonly Uint8Array[];
  /** The whole frame; costs a copy where it lies in several parts. */
  readonly bytes: Uint8Array;
  readonly wireForms: Map<string, unknown>;
}

/** A Socket.IO event with JSON that may go to many connections; encoded once for each wire form as well. */
export interface SharedEvent {
  readonly name: string;
  readonly content: object;
  readonly wireForms: Map<string, unknown>;
}

export type CloseDetails = Pick<CloseNotice, 'cause' | 'retryAfterMs'>;

/** One connection as the gateway sees it. Only the transport knows Socket.IO. Sends keep their order. */
export interface ClientTransport {
  send(frame: SharedFrame): void;
  nack(nack: Nack): void;
  event?(event: SharedEvent): void;
  /** Says why (`protocol-close`), then disconnects. Idempotent. */
  close(code: CloseCode, details?: CloseDetails): void;
  /** Takes nothing from the network for so long, so that the sender has to wait; what has come already is handed over. */
  pauseReading?(forMs: number): void;
  /** Bytes handed over that the network has not taken yet. */
  queuedBytes(): number;
  /** A part of something large has been taken: a heartbeat may wait behind it without being late. */
  progressed?(): void;
  /** Called whenever some of them have left; may be called without need. */
  onDrain(callback: () => void): void;
}

/** What the registry knows of a document. */
export interface RoomMember {
  readonly id: DocumentId;
  readonly key: DocumentKey;
  /** Subscriptions: one for each connection that joined it. */
  readonly size: number;
}

export interface RoomView {
  tenantId: string;
  roomId: string;
  documents: { docId: string; subdocId?: string; subscriptions: number }[];
}

/** Rooms → documents → subscriptions of this process. */
export interface RoomRegistry<Member extends RoomMember = RoomMember> {
  get(key: DocumentKey): Member | undefined;
  /** Replaces a member of the same key. */
  add(member: Member): void;
  /** Does nothing when it is not there (any more). */
  remove(member: Member): void;
  /** Called after a document has been removed; returns how to stop that. */
  onRemove(hook: (member: Member) => void): () => void;
  readonly rooms: number;
  members(): IterableIterator<Member>;
  /** At most `limit` rooms, for an operator to look at. */
  inspect(limit: number): RoomView[];
}
