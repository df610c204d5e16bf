import type { Clock } from '../clock.ts';
import {
  tryDecodeAwareness,
  tryDecodeEnvelope,
  tryDecodeMetadata,
  tryDecodeSync,
  type Message,
} from '../protocol/envelope.ts';
import { decodeClientFrame, FrameKind, type Chunk } from '../protocol/frames.ts';
import { isEmptyUpdate } from '../protocol/empty-update.ts';
import { exactBytes } from '../protocol/bytes.ts';
import { documentKey, type DocumentAddress } from '../protocol/ids.ts';
import type { ProtocolLimits } from '../protocol/limits.ts';
import { ProtocolMessageType, SyncMessageType } from '../protocol/message-types.ts';
import type { Metadata } from '../protocol/metadata.ts';
import type { NackCode } from '../protocol/nack-codes.ts';
import { isStateVector } from '../protocol/state-vector.ts';
import type { AwarenessChannel } from './awareness-channel.ts';
import type { ClientSession } from './client-session.ts';
import type { GatewayMetrics } from './gateway-metrics.ts';
import type { HostedDocument, Subscription } from './hosted-document.ts';
import type { RoomRegistry } from './port.ts';
import type { StateDelivery } from './state-delivery.ts';
import { bytesOf } from './join-request.ts';
import { tooLargeMessage } from './nacks.ts';
import type { UpdateDoor } from './update-door.ts';

export interface InboundParts {
  clock: Clock;
  limits: ProtocolLimits;
  states: StateDelivery;
  awareness: AwarenessChannel;
  updates: UpdateDoor;
  registry: Pick<RoomRegistry<HostedDocument>, 'get'>;
  metrics: GatewayMetrics;
}

/** What comes in by `protocol-message`: frame → envelopes → the joined document → by message type. */
export class Inbound {
  readonly #parts: InboundParts;
  /** Of the message whose chunks are being collected: whom to tell when it is refused. */
  readonly #chunked = new WeakMap<ClientSession, Metadata>();

  constructor(parts: InboundParts) {
    this.#parts = parts;
  }

  /** Never throws for what a client can send. */
  frame(session: ClientSession, value: unknown): void {
    if (session.isClosed) return;
    const bytes = bytesOf(value);
    if (!bytes) return session.nack('BAD_FRAME');
    const { maxFrameBytes } = this.#parts.limits;
    if (bytes.byteLength > maxFrameBytes) {
      const message = `The frame exceeds the limit of ${maxFrameBytes} bytes; send it as chunks.`;
      return session.nack('FRAME_TOO_LARGE', { message });
    }
    const frame = decodeClientFrame(bytes);
    if (!frame.ok) return session.nack(frame.failure.code, { message: frame.failure.message });
    if (frame.value.kind === FrameKind.Chunk) this.#chunk(session, frame.value.chunk);
    else this.#envelopes(session, frame.value.envelopes);
  }

  #chunk(session: ClientSession, chunk: Chunk): void {
    if (chunk.index === 0) this.#remember(session, chunk.bytes);
    const whole = session.chunks.add(chunk);
    if (!whole.ok) {
      const { code } = whole.failure;
      const message =
        code === 'UPDATE_TOO_LARGE' ? tooLargeMessage(this.#parts.limits) : whole.failure.message;
      const about = this.#chunked.get(session);
      this.#chunked.delete(session);
      return session.nack(code, about ? { ...aboutOf(about), message } : { message });
    }
    if (!whole.value) return;
    this.#chunked.delete(session);
    const frame = decodeClientFrame(whole.value);
    if (!frame.ok || frame.value.kind !== FrameKind.Entries) return session.nack('BAD_CHUNK');
    this.#envelopes(session, frame.value.envelopes);
  }

  /** The first chunk holds the first envelope's metadata: enough to name the update if the message is refused. */
  #remember(session: ClientSession, bytes: Uint8Array): void {
    let at = 1;
    while (at < bytes.byteLength && (bytes[at]! & 0x80) !== 0) at++;
    const metadata = tryDecodeMetadata(bytes.subarray(at + 1), this.#parts.limits);
    if (metadata.ok) this.#chunked.set(session, metadata.value);
    else this.#chunked.delete(session);
  }

  #envelopes(session: ClientSession, envelopes: readonly Uint8Array[]): void {
    for (const bytes of envelopes) {
      if (session.isClosed) return;
      const message = tryDecodeEnvelope(bytes, this.#parts.limits);
      if (message.ok) {
        this.#message(session, message.value);
        continue;
      }
      const { code, message: reason } = message.failure;
      const metadata = tryDecodeMetadata(bytes, this.#parts.limits);
      session.nack(code, { ...(metadata.ok ? aboutOf(metadata.value) : {}), message: reason });
    }
  }

  #message(session: ClientSession, message: Message): void {
    const { metadata } = message;
    const about = aboutOf(metadata);
    const subscription = session.subscriptionOf(about.address);
    if (!subscription) {
      this.#isTooMuch(session, message);
      return session.nack(this.#whyNotJoined(session, about.address), about);
    }
    if (metadata.senderId !== subscription.senderId)
      return session.nack('BAD_METADATA', { ...about, message: '`senderId` is not that of the join.' });
    switch (message.type) {
      case ProtocolMessageType.Sync:
        return this.#sync(session, subscription, message);
      case ProtocolMessageType.Awareness: {
        if (this.#isTooMuch(session, message)) return this.#parts.metrics.awarenessDropped.inc();
        const update = tryDecodeAwareness(message.content);
        const code = update.ok
          ? this.#parts.awareness.fromClient(subscription, update.value)
          : update.failure.code;
        return code ? session.nack(code, { address: about.address }) : undefined;
      }
      case ProtocolMessageType.QueryAwareness:
        if (session.joinRate.take(0) > 0) return this.#parts.metrics.awarenessDropped.inc();
        return this.#parts.awareness.sendAll(subscription);
      default:
        return session.nack('BAD_MESSAGE_TYPE', about);
    }
  }

  #whyNotJoined(session: ClientSession, address: DocumentAddress): NackCode {
    const tenantId = session.tenantOf(address.roomId);
    const key = tenantId === undefined ? undefined : documentKey({ ...address, tenantId });
    // On its way when the document was closed.
    const isDeleted = key !== undefined && this.#parts.registry.get(key)?.log.isDeleted === true;
    return isDeleted ? 'DOCUMENT_DELETED' : 'NOT_JOINED';
  }

  /** What is no update counts too; a connection that sends too much of it is not read for a while. */
  #isTooMuch(session: ClientSession, { payload }: Message): boolean {
    const waitMs = session.rate.take(payload.byteLength);
    if (waitMs > 0) session.pauseReading(waitMs);
    return waitMs > 0;
  }

  #sync(session: ClientSession, subscription: Subscription, message: Message): void {
    const about = aboutOf(message.metadata);
    const sync = tryDecodeSync(message.content);
    if (!sync.ok) return session.nack(sync.failure.code, { ...about, message: sync.failure.message });
    const { type, body } = sync.value;
    // y-protocols answers every question; from one who may only read, an answer with nothing in it is no attempt to write.
    if (type === SyncMessageType.Step2 && isEmptyUpdate(body) && subscription.access.write === false)
      return void this.#isTooMuch(session, message);
    if (type !== SyncMessageType.Step1)
      return this.#parts.updates.receive(session, subscription, { ...message, body });
    const waitMs = session.joinRate.take(0);
    if (waitMs > 0) return session.slowDown('RATE_LIMITED', { address: about.address, retryAfterMs: waitMs });
    // A question: answered from log and store, never appended.
    if (!isStateVector(body))
      return session.nack('BAD_ENVELOPE', { ...about, message: 'The state vector cannot be read.' });
    const heard = subscription.sent;
    const wanted = { stateVector: exactBytes(body), ...(heard ? { heard } : {}) };
    if (!this.#parts.states.resume(subscription, wanted))
      session.nack('JOIN_IN_PROGRESS', { address: about.address });
  }
}

function aboutOf({ roomId, docId, subdocId, version }: Metadata): {
  address: DocumentAddress;
  version: number;
} {
  return { address: subdocId === undefined ? { roomId, docId } : { roomId, docId, subdocId }, version };
}
