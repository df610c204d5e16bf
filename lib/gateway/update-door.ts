import type { Clock } from '../clock.ts';
import type { Message } from '../protocol/envelope.ts';
import type { ProtocolLimits } from '../protocol/limits.ts';
import { NACK_CODES, type NackCode } from '../protocol/nack-codes.ts';
import type { StreamRecord } from '../stream/port.ts';
import type { ClientSession } from './client-session.ts';
import type { GatewayMetrics } from './gateway-metrics.ts';
import type { Subscription } from './hosted-document.ts';
import { tooLargeMessage, type NackDetails } from './nacks.ts';
import { RecordHeader } from './record-headers.ts';
import { stampEnvelope } from './stamp.ts';
import type { UpdateAttempts } from './update-attempts.ts';
import type { CheckResult, UpdateChecker } from './update-check.ts';

/** A sync message that carries an update. */
export interface UpdateMessage extends Message {
  /** The Yjs update, a view. */
  body: Uint8Array;
}

export interface UpdateDoorParts {
  clock: Clock;
  limits: ProtocolLimits;
  checker: UpdateChecker;
  attempts: UpdateAttempts;
  /** Bytes that may wait behind a check of one (connection, document). */
  maxWaitingBytes: number;
  metrics: GatewayMetrics;
}

/** What waits behind an update in the worker thread: the order of arrival is kept. */
interface Lane {
  waiting: Arrival[];
  bytes: number;
}

interface Arrival {
  session: ClientSession;
  subscription: Subscription;
  message: UpdateMessage;
  /** That of the state that was edited; a message that names none means the one that was sent last when it came. */
  generation: number;
}

/** Permission → generation → order → size → decodable → stamp → append, in the order of arrival (design rules 2, 11). */
export class UpdateDoor {
  readonly #parts: UpdateDoorParts;
  /** Only subscriptions with a check under way. */
  readonly #lanes = new Map<Subscription, Lane>();
  constructor(parts: UpdateDoorParts) {
    this.#parts = parts;
  }

  receive(session: ClientSession, subscription: Subscription, message: UpdateMessage): void {
    const { metrics } = this.#parts;
    metrics.updatesReceived.inc();
    metrics.updateBytesReceived.add(message.payload.byteLength);
    const generation = message.metadata.generation ?? subscription.generation;
    const arrival: Arrival = { session, subscription, message, generation };
    const lane = this.#lanes.get(subscription);
    if (!lane) return this.#process(arrival);
    const bytes = message.payload.byteLength;
    if (lane.bytes + bytes > this.#parts.maxWaitingBytes) {
      subscription.versions.owe(message.metadata.version);
      return this.#nack(arrival, 'OVERLOADED');
    }
    lane.bytes += bytes;
    lane.waiting.push(arrival);
  }

  #process(arrival: Arrival): void {
    const { subscription, message, generation } = arrival;
    const refusal = this.#refusalOf(arrival);
    const bytes = message.payload.byteLength;
    if (refusal) {
      this.#countInVain(arrival, bytes);
      return this.#refuse(arrival, refusal.code, refusal.details);
    }
    if (subscription.access.write === 'unknown') {
      // Neither refused for good nor let in: it comes again when the right is known.
      subscription.versions.owe(message.metadata.version);
      this.#countInVain(arrival, bytes);
      return this.#nack(arrival, 'UNAVAILABLE');
    }
    subscription.versions.reach(generation);
    const admission = subscription.versions.admit(message.metadata.version, bytes);
    if (admission.kind !== 'admitted') {
      this.#countInVain(arrival, bytes);
      return admission.kind === 'refused' ? this.#nack(arrival, admission.code) : undefined;
    }
    const waitMs = this.#overRate(arrival, bytes);
    if (waitMs > 0) return this.#slowDown(arrival, waitMs);
    const result = this.#parts.checker.check(message.body);
    if (typeof result === 'string') this.#append(arrival, result);
    else void this.#appendAfterCheck(arrival, result);
  }

  /** Milliseconds until the connection and the room may bring in so much; 0 when they may now. */
  #overRate({ session, subscription }: Arrival, bytes: number): number {
    const { rateLimited } = this.#parts.metrics;
    const own = session.rate.take(bytes);
    if (own > 0) {
      rateLimited.inc({ scope: 'connection' });
      return own;
    }
    const room = subscription.document.roomRate.take(bytes);
    if (room === 0) return 0;
    session.rate.restore(bytes);
    rateLimited.inc({ scope: 'room' });
    return room;
  }

  /** What is not appended costs as well: a client that passes over its nacks is not read for a while. */
  #countInVain({ session }: Arrival, bytes: number): void {
    const waitMs = session.vainRate.take(bytes);
    if (waitMs > 0) session.pauseReading(waitMs);
  }

  #slowDown({ session, subscription, message }: Arrival, retryAfterMs: number): void {
    const { version } = message.metadata;
    subscription.versions.owe(version);
    session.slowDown('RATE_LIMITED', { address: subscription.document.address, version, retryAfterMs });
  }

  /** Reasons against an update that need no look into its bytes. */
  #refusalOf({
    subscription,
    message,
    generation,
  }: Arrival): { code: NackCode; details?: NackDetails } | undefined {
    const { metadata, body } = message;
    const { log } = subscription.document;
    if (metadata.version === 0)
      return { code: 'BAD_METADATA', details: { message: '`version` of an update begins at 1.' } };
    if (subscription.access.write === false) return { code: 'READ_ONLY' };
    if (generation < log.acceptsFrom) {
      const closed = log.refusalOf(generation, subscription.document.followedThrough());
      // Only the barrier itself may be named: whoever is told a position takes it for the empty beginning.
      if (closed) return { code: closed.code, details: { position: closed.position } };
    }
    if (generation > Math.max(log.generation, subscription.generation))
      return { code: 'BAD_METADATA', details: { message: '`generation` has not begun.' } };
    const { limits } = this.#parts;
    if (body.byteLength > limits.maxUpdateBytes)
      return { code: 'UPDATE_TOO_LARGE', details: { message: tooLargeMessage(limits) } };
    return undefined;
  }

  async #appendAfterCheck(arrival: Arrival, check: Promise<CheckResult>): Promise<void> {
    const lane: Lane = { waiting: [], bytes: 0 };
    this.#lanes.set(arrival.subscription, lane);
    this.#append(arrival, await check);
    this.#lanes.delete(arrival.subscription);
    for (const [at, waiting] of lane.waiting.entries()) {
      this.#process(waiting);
      const next = this.#lanes.get(arrival.subscription);
      if (!next) continue;
      // This one went to the worker as well: the rest waits behind it.
      next.waiting = lane.waiting.slice(at + 1);
      next.bytes = next.waiting.reduce((sum, { message }) => sum + message.payload.byteLength, 0);
      return;
    }
  }

  #append(arrival: Arrival, check: CheckResult): void {
    const { session, subscription, message, generation } = arrival;
    const { version } = message.metadata;
    if (check === 'bad') return this.#refuse(arrival, 'BAD_UPDATE');
    if (check === 'busy') {
      subscription.versions.owe(version);
      return this.#nack(arrival, 'OVERLOADED');
    }
    const { clock, limits } = this.#parts;
    const stamp = { identity: subscription.identity, generation, wallTimeMs: clock.wallTime() };
    const envelope = stampEnvelope(message, stamp, limits);
    if (!envelope.ok) return this.#refuse(arrival, envelope.failure.code);
    this.#parts.attempts.begin(session, subscription, {
      version,
      record: recordOf(subscription, { version, generation, envelope: envelope.value }),
      onTooLarge: () => this.#refuse(arrival, 'UPDATE_TOO_LARGE'),
    });
  }

  #refuse(arrival: Arrival, code: NackCode, details: NackDetails = {}): void {
    const { subscription, message } = arrival;
    const { version } = message.metadata;
    // The barrier speaks of the document, not of this update: it is answered, not refused for ever.
    if (code === 'GENERATION_CHANGED' || code === 'DOCUMENT_DELETED') subscription.versions.settle(version);
    else if (NACK_CODES[code].permanent) subscription.versions.refuse(version, code);
    this.#nack(arrival, code, details);
  }

  #nack({ session, subscription, message }: Arrival, code: NackCode, details: NackDetails = {}): void {
    if (subscription.isClosed) return;
    const { version } = message.metadata;
    session.nack(code, { address: subscription.document.address, version, ...details });
  }
}

function recordOf(
  { document, headers }: Subscription,
  { version, generation, envelope }: { version: number; generation: number; envelope: Uint8Array },
): StreamRecord {
  return {
    key: document.key,
    value: envelope,
    headers: {
      ...headers,
      [RecordHeader.Version]: String(version),
      [RecordHeader.Generation]: String(generation),
    },
  };
}
