import type { DocumentAddress, DocumentId, DocumentKey } from '../protocol/ids.ts';
import { ProtocolMessageType } from '../protocol/message-types.ts';
import type { Position } from '../protocol/position.ts';
import type { TopicPartition } from '../stream/port.ts';
import { AwarenessStates } from './awareness-states.ts';
import { ClientVersions, type UnackedBudget } from './client-versions.ts';
import type { DocumentLog, LogEvent } from './document-log.ts';
import type { FanOutPace } from './fan-out-pace.ts';
import type { Outbox } from './outbox.ts';
import type { DocumentAccess, Identity, RoomMember } from './port.ts';
import type { RateLimit } from './rate-limits.ts';
import { ownerOf, RecordHeader } from './record-headers.ts';

export interface HostedDocumentParts {
  id: DocumentId;
  key: DocumentKey;
  target: TopicPartition;
  log: DocumentLog;
  followedThrough: () => number;
  topicId: () => string | undefined;
  catchUp: () => Promise<void>;
  roomRate: RateLimit;
  pace: FanOutPace;
}

/** A document with at least one subscription at this gateway (or one that lingers after the last). */
export class HostedDocument implements RoomMember {
  readonly id: DocumentId;
  readonly key: DocumentKey;
  readonly target: TopicPartition;
  readonly log: DocumentLog;
  /** The last offset of the partition that the follow has passed. */
  readonly followedThrough: () => number;
  /** Identity of the topic that is followed, as far as it is known. */
  readonly topicId: () => string | undefined;
  /** Resolves when the follow has delivered what is in the log now, or cannot in reasonable time. */
  readonly catchUp: () => Promise<void>;
  /** Shared by all documents of the room. */
  readonly roomRate: RateLimit;
  readonly pace: FanOutPace;
  readonly awareness = new AwarenessStates();
  readonly subscriptions = new Set<Subscription>();
  /** What the follow brought since the last flush. */
  tick: LogEvent[] = [];

  constructor(parts: HostedDocumentParts) {
    this.id = parts.id;
    this.key = parts.key;
    this.target = parts.target;
    this.log = parts.log;
    this.followedThrough = parts.followedThrough;
    this.topicId = parts.topicId;
    this.catchUp = parts.catchUp;
    this.roomRate = parts.roomRate;
    this.pace = parts.pace;
  }

  get size(): number {
    return this.subscriptions.size;
  }

  /** What clients call it. */
  get address(): DocumentAddress {
    const { roomId, docId, subdocId } = this.id;
    return subdocId === undefined ? { roomId, docId } : { roomId, docId, subdocId };
  }
}

export interface SubscriptionParts {
  document: HostedDocument;
  outbox: Outbox<Subscription>;
  identity: Identity;
  senderId: string;
  /** Headers of every record of the connection. */
  origin: Readonly<Record<string, string>>;
  access: DocumentAccess;
  maxUnacked: number;
  budget: UnackedBudget;
}

/** One connection's view of one document. */
export class Subscription {
  readonly document: HostedDocument;
  readonly outbox: Outbox<Subscription>;
  /** With the tenant of the document. */
  readonly identity: Identity & { tenantId: string };
  readonly senderId: string;
  /** Compares with the owner of a log entry. */
  readonly owner: string;
  readonly versions: ClientVersions;
  /** What all updates of this subscription have among their headers. */
  readonly headers: Readonly<Record<string, string>>;
  access: DocumentAccess;
  /** Gets the fan-out. False until a state has been sent, and after its queue has been dropped. */
  isLive = false;
  /** A join or resume is under way: one at a time. */
  isJoining = false;
  isClosed = false;
  /** It has ended because its connection was asked to go on at another gateway, or to join again. */
  isMoving = false;
  /** Entries up to here are in the state that was sent. */
  deliverAfter = -1;
  /** Position of what was last handed to the connection; a resume begins here. */
  sent: Position | undefined;
  /** Generation of the last state sent: that of updates which name none. */
  generation = 1;
  /** Awareness could not be sent in time: all states go out once the queue is empty. */
  owesAwareness = false;

  constructor(parts: SubscriptionParts) {
    this.document = parts.document;
    this.outbox = parts.outbox;
    this.identity = { ...parts.identity, tenantId: parts.document.id.tenantId };
    this.senderId = parts.senderId;
    this.owner = ownerOf(parts.senderId, parts.identity.userId);
    this.access = parts.access;
    this.headers = {
      [RecordHeader.Sender]: parts.senderId,
      [RecordHeader.Type]: String(ProtocolMessageType.Sync),
      ...parts.origin,
    };
    this.versions = new ClientVersions(parts.maxUnacked, parts.budget);
  }
}
