import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { JoinAnswer, JoinRequest, LeaveAnswer } from '../protocol/events.ts';
import { statePayloadBytes } from '../protocol/frames.ts';
import { documentKey, type DocumentAddress, type DocumentId } from '../protocol/ids.ts';
import type { ProtocolLimits } from '../protocol/limits.ts';
import { validateAddress } from '../protocol/metadata.ts';
import type { NackCode } from '../protocol/nack-codes.ts';
import type { SyncAnswer } from '../sync/port.ts';
import type { ClientSession, Joining } from './client-session.ts';
import { withDeadline } from './deadline.ts';
import type { GatewayMetrics } from './gateway-metrics.ts';
import type { DocumentHosts } from './document-hosts.ts';
import { Subscription } from './hosted-document.ts';
import { codeOfFailure, refusal } from './join-refusal.ts';
import { readJoinRequest } from './join-request.ts';
import type { AccessControl } from './port.ts';
import type { StateDelivery } from './state-delivery.ts';

export interface JoinsParts {
  clock: Clock;
  logger: Logger;
  hosts: DocumentHosts;
  states: StateDelivery;
  access: AccessControl;
  limits: ProtocolLimits;
  metrics: GatewayMetrics;
  joinTimeoutMs: number;
  maxUnacked: number;
  onSubscribed: (subscription: Subscription) => void;
  onLeft: (subscription: Subscription) => void;
}

type Answer = (answer: JoinAnswer) => void;

/** Joins and leaves: who is subscribed to which document. */
export class Joins {
  readonly #parts: JoinsParts;
  readonly #states: StateDelivery;

  constructor(parts: JoinsParts) {
    this.#parts = parts;
    this.#states = parts.states;
  }

  /** Answers exactly once; the state follows as frames. Never throws. */
  async join(session: ClientSession, value: unknown, tell: Answer): Promise<void> {
    const { clock, metrics } = this.#parts;
    const askedAt = clock.now();
    const answer: Answer = (given) => {
      metrics.joinSeconds.observe((clock.now() - askedAt) / 1000);
      if (!given.ok) {
        metrics.joins.inc({ source: 'refused' });
        metrics.nacks.inc({ code: given.code });
      }
      tell(given);
    };
    const deadlineMs = askedAt + this.#parts.joinTimeoutMs;
    const request = readJoinRequest(value, this.#parts.limits);
    if (!request.ok) {
      answer(refusal(request.failure.code, request.failure.message));
      session.offend(request.failure.code);
      return;
    }
    const waitMs = session.joinRate.take(0);
    if (waitMs > 0) return answer(refusal('RATE_LIMITED', undefined, waitMs));
    const local = localKey(request.value);
    const present = session.subscriptionOf(request.value);
    if (session.joining.has(local) || present?.isJoining) return answer(refusal('JOIN_IN_PROGRESS'));
    if (!present && this.#isFull(session)) return answer(refusal('TOO_MANY_DOCUMENTS'));
    const address = idsOf(request.value);
    const joining: Joining = { address, isLeft: false, isFirst: !present, isOutdated: false };
    session.joining.set(local, joining);
    try {
      const subscribed = await this.#subscribe(session, request.value, deadlineMs);
      if (typeof subscribed === 'string') {
        answer(refusal(subscribed));
        if (subscribed === 'PERMISSION_DENIED') session.noteRefused(joining);
        return;
      }
      if (joining.isLeft) {
        this.end(session, subscribed);
        return answer(refusal('UNAVAILABLE'));
      }
      // The gateway has begun to serve it anew while this one waited.
      if (subscribed.isJoining) return answer(refusal('JOIN_IN_PROGRESS'));
      await this.#answerJoin(session, subscribed, { request: request.value, deadlineMs, answer });
    } catch (error) {
      const code = codeOfFailure(error);
      if (code !== 'OVERLOADED') this.#parts.logger.warn({ err: error }, 'join failed');
      answer(refusal(code));
    } finally {
      session.joining.delete(local);
    }
  }

  leave(session: ClientSession, value: unknown): LeaveAnswer {
    const fields = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
    const address = validateAddress(fields, this.#parts.limits);
    if (!address.ok) {
      session.offend(address.failure.code);
      return refusal(address.failure.code, address.failure.message);
    }
    session.refused.forget(address.value);
    const subscription = session.subscriptionOf(address.value);
    if (subscription) this.end(session, subscription);
    const joining = session.joining.get(localKey(address.value));
    if (joining) joining.isLeft = true;
    return { ok: true };
  }

  /** The subscription is over: nothing more is delivered to it. */
  end(session: ClientSession, subscription: Subscription): void {
    const { document } = subscription;
    subscription.isClosed = true;
    subscription.versions.release();
    subscription.isLive = false;
    if (session.subscriptions.get(document.key) === subscription) session.subscriptions.delete(document.key);
    document.subscriptions.delete(subscription);
    subscription.outbox.forget(subscription);
    this.#parts.onLeft(subscription);
    this.#parts.hosts.release(document);
  }

  #isFull(session: ClientSession): boolean {
    const { maxDocumentsPerSocket } = this.#parts.limits;
    const waiting = [...session.joining.values()].filter(({ isFirst }) => isFirst).length;
    return session.subscriptions.size + waiting >= maxDocumentsPerSocket;
  }

  async #subscribe(
    session: ClientSession,
    request: JoinRequest,
    deadlineMs: number,
  ): Promise<Subscription | NackCode> {
    const { access: control, hosts, clock } = this.#parts;
    const inTime = <T>(asked: T | Promise<T>) =>
      withDeadline(clock, deadlineMs - clock.now(), Promise.resolve(asked));
    const allowed = await inTime(control.mayUse(session.identity, request));
    const tenantId = session.identity.tenantId ?? allowed.tenantId;
    if (!allowed.read || tenantId === undefined) return 'PERMISSION_DENIED';
    session.enter(request.roomId, tenantId);
    const id = documentOf(tenantId, request);
    const hosting = hosts.host(id);
    const document = await inTime(hosting).catch((error: unknown) => {
      // Hosted after all, but too late for this join.
      hosting.then(
        (late) => hosts.release(late),
        () => undefined,
      );
      throw error;
    });
    if (session.isClosed) {
      hosts.release(document);
      return 'UNAVAILABLE';
    }
    // Asked again: it may have been taken away while the document was being hosted. From the subscription on, whoever
    // enforces a change finds it.
    const access = await inTime(control.mayUse(session.identity, request)).catch((error: unknown) => {
      hosts.release(document);
      throw error;
    });
    if (session.isClosed || !access.read) {
      hosts.release(document);
      return session.isClosed ? 'UNAVAILABLE' : 'PERMISSION_DENIED';
    }
    session.refused.forget(request);
    const known = session.subscriptions.get(document.key);
    if (known?.senderId === request.senderId) {
      known.access = access;
      return known;
    }
    const subscription = new Subscription({
      document,
      access,
      outbox: session.outbox,
      identity: session.identity,
      senderId: request.senderId,
      origin: session.origin,
      maxUnacked: this.#parts.maxUnacked,
      budget: session.budget,
    });
    document.subscriptions.add(subscription);
    if (known) this.end(session, known);
    session.subscriptions.set(document.key, subscription);
    this.#parts.onSubscribed(subscription);
    return subscription;
  }

  async #answerJoin(
    session: ClientSession,
    subscription: Subscription,
    { request, deadlineMs, answer }: { request: JoinRequest; deadlineMs: number; answer: Answer },
  ): Promise<void> {
    subscription.isJoining = true;
    let state: SyncAnswer;
    try {
      state = await this.#states.ask(subscription, request, deadlineMs);
    } catch (error) {
      subscription.isJoining = false;
      // One that never got a state is not joined; one that was live goes on as before.
      if (subscription.isClosed) throw error;
      if (!subscription.sent) this.end(session, subscription);
      else if (!subscription.isLive) this.#states.resume(subscription);
      throw error;
    }
    const { log } = subscription.document;
    if (log.isGone(state)) {
      if (!subscription.isClosed) this.end(session, subscription);
      return answer(refusal('DOCUMENT_DELETED'));
    }
    if (subscription.isClosed) return answer(refusal(log.isDeleted ? 'DOCUMENT_DELETED' : 'UNAVAILABLE'));
    const { limits } = this.#parts;
    // Whoever asks for everything may put a new document in the place of the old one, and drops what it had under way.
    if (!request.position && !request.stateVector) subscription.versions.beginAnew();
    const join = session.nextJoin();
    answer({
      ok: true,
      join,
      position: state.position,
      readOnly: subscription.access.write === false,
      stateVector: state.stateVector,
      appended: state.appended,
      stateBytes: statePayloadBytes(state.update),
      limits: { maxUpdateBytes: limits.maxUpdateBytes, maxFrameBytes: limits.maxFrameBytes },
    });
    // Not awaited: the join is answered, a slow connection takes its state as fast as it can.
    void this.#states.deliver(subscription, state, join);
  }
}

/** Nothing else of a request. */
function idsOf({ roomId, docId, subdocId }: DocumentAddress): DocumentAddress {
  return subdocId === undefined ? { roomId, docId } : { roomId, docId, subdocId };
}

function documentOf(tenantId: string, address: DocumentAddress): DocumentId {
  return { tenantId, ...idsOf(address) };
}

/** Names a document on one connection, also before its tenant is known. */
function localKey(address: DocumentAddress): string {
  return documentKey(documentOf('', address));
}
