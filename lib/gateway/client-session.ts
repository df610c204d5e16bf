import type { Config } from '../config.ts';
import type { Clock } from '../clock.ts';
import { ChunkAssembler } from '../protocol/chunks.ts';
import type { CloseCode } from '../protocol/close-codes.ts';
import { documentKey, type DocumentAddress, type DocumentKey } from '../protocol/ids.ts';
import type { NackCode } from '../protocol/nack-codes.ts';
import type { ChunkTurns } from './chunk-turns.ts';
import type { UnackedBudget } from './client-versions.ts';
import type { GatewayMetrics } from './gateway-metrics.ts';
import type { Subscription } from './hosted-document.ts';
import { createNack, isOffence, type NackDetails } from './nacks.ts';
import { Outbox } from './outbox.ts';
import type { ClientTransport, CloseDetails, Identity } from './port.ts';
import type { RateLimit, RateLimits } from './rate-limits.ts';
import { RecordHeader } from './record-headers.ts';
import { RefusedDocuments } from './refused-documents.ts';

export interface ClientSessionParts {
  id: string;
  identity: Identity;
  /** Where the connection comes from, if that is known. */
  clientAddress?: string | undefined;
  transport: ClientTransport;
  config: Pick<
    Config,
    | 'maxQueueBytes'
    | 'maxFrameBytes'
    | 'maxUpdateBytes'
    | 'maxBadMessages'
    | 'maxUnackedBytes'
    | 'maxDocumentsPerSocket'
  >;
  clock: Clock;
  rates: RateLimits;
  turns: ChunkTurns;
  metrics: GatewayMetrics;
  /** The queue has drained after frames of these subscriptions were dropped. */
  onDrained: (subscriptions: Subscription[]) => void;
  onClosed: (session: ClientSession) => void;
}

/** A join on its way. */
export interface Joining {
  address: DocumentAddress;
  /** The client has left the document meanwhile. */
  isLeft: boolean;
  /** It had not joined the document before. */
  isFirst: boolean;
  /** Rights in its room may have changed since it was asked for. */
  isOutdated: boolean;
}

/** Far below the time-out of a ping, whose answer waits as well. */
const MAX_PAUSE_MS = 1_000;
/** Room for the envelopes around the updates of one message. */
const ASSEMBLY_ROOM_BYTES = 64 * 1024;

/** One connection: who it is, what it has joined, what waits for it. */
export class ClientSession {
  readonly id: string;
  #identity: Identity;
  /** Headers that say who and where from, on every record that the connection brings. */
  readonly origin: Readonly<Record<string, string>>;
  readonly outbox: Outbox<Subscription>;
  readonly chunks: ChunkAssembler;
  readonly subscriptions = new Map<DocumentKey, Subscription>();
  /** Joins that have no subscription yet count against the limit of documents too. */
  readonly joining = new Map<string, Joining>();
  /** What it was refused for lack of a right: told when rights have changed. */
  readonly refused: RefusedDocuments;
  readonly rate: RateLimit;
  /** Of what is not appended: repeats, and what is refused. Beside the other, or they would starve what is new. */
  readonly vainRate: RateLimit;
  readonly joinRate: RateLimit;
  /** What all its documents together have on the way into the log. */
  readonly budget: UnackedBudget;
  readonly #parts: ClientSessionParts;
  /** By room. */
  readonly #tenants = new Map<string, string>();
  #badMessages = 0;
  #joins = 0;
  #isClosed = false;
  #closedBy: CloseCode | undefined;

  constructor(parts: ClientSessionParts) {
    this.#parts = parts;
    this.id = parts.id;
    this.#identity = parts.identity;
    const { userId } = parts.identity;
    this.origin = {
      [RecordHeader.Connection]: parts.id,
      ...(userId === undefined ? {} : { [RecordHeader.User]: userId }),
      ...(parts.clientAddress === undefined ? {} : { [RecordHeader.Address]: parts.clientAddress }),
    };
    this.rate = parts.rates.connection();
    this.vainRate = parts.rates.vain();
    this.joinRate = parts.rates.joins();
    this.budget = { bytes: 0, maxBytes: parts.config.maxUnackedBytes };
    this.refused = new RefusedDocuments(parts.config.maxDocumentsPerSocket);
    this.chunks = new ChunkAssembler(2 * parts.config.maxUpdateBytes + ASSEMBLY_ROOM_BYTES);
    this.outbox = new Outbox<Subscription>({
      transport: parts.transport,
      clock: parts.clock,
      turns: parts.turns,
      maxQueueBytes: parts.config.maxQueueBytes,
      maxFrameBytes: parts.config.maxFrameBytes,
      onDropped: (subscription) => {
        subscription.isLive = false;
        parts.metrics.queuesDropped.inc();
      },
      onDrained: parts.onDrained,
      onOverflow: () => {
        if (!this.#isClosed) parts.metrics.slowClientsClosed.inc();
        this.close('SLOW_CONSUMER');
      },
    });
  }

  /** The tenant of a room; undefined for one that it has not been let into yet. */
  tenantOf(roomId: string): string | undefined {
    return this.identity.tenantId ?? this.#tenants.get(roomId);
  }

  /** The room belongs to this tenant: learned with the permission to enter it. */
  enter(roomId: string, tenantId: string): void {
    this.#tenants.set(roomId, tenantId);
  }

  subscriptionOf({ roomId, docId, subdocId }: DocumentAddress): Subscription | undefined {
    const tenantId = this.tenantOf(roomId);
    if (tenantId === undefined) return undefined;
    const id = { tenantId, roomId, docId };
    return this.subscriptions.get(documentKey(subdocId === undefined ? id : { ...id, subdocId }));
  }

  get identity(): Identity {
    return this.#identity;
  }

  /** The same person with a new token. */
  renewed(identity: Identity): void {
    this.#identity = identity;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Why this gateway has closed it; undefined when it was not the gateway. */
  get closedBy(): CloseCode | undefined {
    return this.#closedBy;
  }

  /** A join has been refused for lack of a right. One that was decided before a change is told of it at once. */
  noteRefused({ address, isLeft, isOutdated }: Joining): void {
    if (isLeft) return;
    if (isOutdated) this.nack('ACCESS_CHANGED', { address });
    else this.refused.add(address);
  }

  /** Rights may have changed: what was refused and is meant may be joined now. */
  accessChanged(isMeant: (address: DocumentAddress) => boolean): void {
    for (const address of this.refused.take(isMeant)) this.nack('ACCESS_CHANGED', { address });
    for (const joining of this.joining.values()) if (isMeant(joining.address)) joining.isOutdated = true;
  }

  nextJoin(): number {
    return ++this.#joins;
  }

  /** Sends a nack; counts what could not be read and closes a repeated offender. */
  nack(code: NackCode, details: NackDetails = {}): void {
    if (this.#isClosed) return;
    this.#parts.metrics.nacks.inc({ code });
    this.outbox.nack(createNack(code, details));
    if (isOffence(code)) this.offend(code);
  }

  /** A transient nack for too much; the connection is not read for a while, so that it cannot go on all the same. */
  slowDown(code: NackCode, details: NackDetails & { retryAfterMs: number }): void {
    this.nack(code, details);
    this.pauseReading(details.retryAfterMs);
  }

  pauseReading(forMs: number): void {
    if (!this.#isClosed) this.#parts.transport.pauseReading?.(Math.min(forMs, MAX_PAUSE_MS));
  }

  offend(code: NackCode): void {
    if (++this.#badMessages >= this.#parts.config.maxBadMessages)
      this.close('REPEATED_OFFENDER', { cause: code });
  }

  /** Tells the client why, disconnects and gives everything up. Idempotent. */
  close(code: CloseCode, details: CloseDetails = {}): void {
    if (this.#isClosed) return;
    this.#closedBy = code;
    this.#parts.transport.close(code, details);
    this.closed();
  }

  /** The connection has gone. Idempotent. */
  closed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.outbox.close();
    this.chunks.reset();
    this.#parts.onClosed(this);
    this.subscriptions.clear();
  }
}
