import type { Clock } from '../clock.ts';
import { isAppError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { encodeSyncPayload } from '../protocol/envelope.ts';
import type { JoinAnswer, JoinRequest, LeaveAnswer } from '../protocol/events.ts';
import { encodeState } from '../protocol/frames.ts';
import { documentKey, type DocumentId } from '../protocol/ids.ts';
import type { ProtocolLimits } from '../protocol/limits.ts';
import { SyncMessageType } from '../protocol/message-types.ts';
import { validateAddress } from '../protocol/metadata.ts';
import type { NackCode } from '../protocol/nack-codes.ts';
import type { Position } from '../protocol/position.ts';
import type { SyncAnswer, SyncRequest, SyncSource } from '../sync/port.ts';
import type { ClientSession } from './client-session.ts';
import { withDeadline } from './deadline.ts';
import type { DocumentHosts } from './document-hosts.ts';
import { sendEntries } from './fan-out.ts';
import { Subscription } from './hosted-document.ts';
import { readJoinRequest } from './join-request.ts';
import { createNack } from './nacks.ts';
import type { AccessControl, DocumentAccess } from './port.ts';
import { Slots } from './slots.ts';

export interface JoinsParts {
  clock: Clock;
  logger: Logger;
  hosts: DocumentHosts;
  sync: SyncSource;
  access: AccessControl;
  limits: ProtocolLimits;
  joinTimeoutMs: number;
  joinConcurrency: number;
  maxUnacked: number;
  /** A subscription has got its state: the known awareness states follow. */
  onState: (subscription: Subscription) => void;
  /** What the waiting records turned out to be has been added to the document's tick. */
  onEvent: (subscription: Subscription) => void;
  onSubscribed: (subscription: Subscription) => void;
  onLeft: (subscription: Subscription) => void;
}

/** Joins that may wait for one of the slots, for each slot. */
const WAITING_PER_SLOT = 128;
const RETRY_MS = 250;
const REFUSED_RETRY_MS = 1000;

type Answer = (answer: JoinAnswer) => void;
type Wanted = Pick<SyncRequest, 'position' | 'heard' | 'stateVector'>;

/** Joins, leaves and resumes: brings a subscription to a state, then into the live fan-out, without a gap. */
export class Joins {
  readonly #parts: JoinsParts;
  readonly #slots: Slots;

  constructor(parts: JoinsParts) {
    this.#parts = parts;
    this.#slots = new Slots(parts.joinConcurrency, parts.joinConcurrency * WAITING_PER_SLOT);
  }

  /** Answers exactly once; the state follows as frames. Never throws. */
  async join(session: ClientSession, value: unknown, answer: Answer): Promise<void> {
    const request = readJoinRequest(value, this.#parts.limits);
    if (!request.ok) {
      answer(refusal(request.failure.code, request.failure.message));
      session.offend(request.failure.code);
      return;
    }
    const id = documentOf(session, request.value);
    const key = documentKey(id);
    if (session.joining.has(key) || session.subscriptions.get(key)?.isJoining)
      return answer(refusal('JOIN_IN_PROGRESS'));
    if (!session.subscriptions.has(key) && this.#isFull(session))
      return answer(refusal('TOO_MANY_DOCUMENTS'));
    session.joining.add(key);
    try {
      const subscribed = await this.#subscribe(session, id, request.value);
      if (typeof subscribed === 'string') return answer(refusal(subscribed));
      await this.#answerJoin(session, subscribed, { request: request.value, answer });
    } catch (error) {
      answer(this.#refusalOf(error, 'join failed'));
    } finally {
      session.joining.delete(key);
    }
  }

  leave(session: ClientSession, value: unknown): LeaveAnswer {
    const fields = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
    const address = validateAddress(fields, this.#parts.limits);
    if (!address.ok) {
      session.offend(address.failure.code);
      return refusal(address.failure.code, address.failure.message);
    }
    const subscription = session.subscriptions.get(documentKey(documentOf(session, address.value)));
    if (subscription) this.end(session, subscription);
    return { ok: true };
  }

  /** The subscription is over: nothing more is delivered to it. */
  end(session: ClientSession, subscription: Subscription): void {
    const { document } = subscription;
    subscription.isClosed = true;
    subscription.isLive = false;
    if (session.subscriptions.get(document.key) === subscription) session.subscriptions.delete(document.key);
    document.subscriptions.delete(subscription);
    subscription.outbox.forget(subscription);
    this.#parts.onLeft(subscription);
    this.#parts.hosts.release(document);
  }

  /**
   * Serves a subscription from its last sent position (or what is wanted) by a state of the gateway's own,
   * again and again until one has been sent. False when a join is under way, which does the same.
   */
  resume(subscription: Subscription, wanted?: Wanted): boolean {
    if (subscription.isClosed) return true;
    if (subscription.isJoining) return false;
    subscription.isJoining = true;
    void this.#resumeUntilSent(subscription, wanted);
    return true;
  }

  #isFull(session: ClientSession): boolean {
    const { maxDocumentsPerSocket } = this.#parts.limits;
    const waiting = [...session.joining].filter((key) => !session.subscriptions.has(key)).length;
    return session.subscriptions.size + waiting >= maxDocumentsPerSocket;
  }

  async #subscribe(
    session: ClientSession,
    id: DocumentId,
    request: JoinRequest,
  ): Promise<Subscription | NackCode> {
    const { access: control, hosts, clock, joinTimeoutMs } = this.#parts;
    const access: DocumentAccess = await control.mayUse(session.identity, id);
    if (!access.read) return 'PERMISSION_DENIED';
    const hosting = hosts.host(id);
    const document = await withDeadline(clock, joinTimeoutMs, hosting).catch((error: unknown) => {
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
      maxUnacked: this.#parts.maxUnacked,
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
    { request, answer }: { request: JoinRequest; answer: Answer },
  ): Promise<void> {
    subscription.isJoining = true;
    let state: SyncAnswer;
    try {
      state = await this.#ask(subscription, request);
    } catch (error) {
      subscription.isJoining = false;
      // One that never got a state is not joined; one that was live goes on as before.
      if (!subscription.sent) this.end(session, subscription);
      else if (!subscription.isLive) this.resume(subscription);
      throw error;
    }
    if (subscription.isClosed) return answer(refusal('UNAVAILABLE'));
    const join = session.nextJoin();
    const payload = encodeSyncPayload(SyncMessageType.Step2, state.update);
    answer({
      ok: true,
      join,
      position: state.position,
      readOnly: !subscription.access.write,
      stateVector: state.stateVector,
      appended: state.appended,
      stateBytes: payload.byteLength,
    });
    // Not awaited: the join is answered, a slow connection takes its state as fast as it can.
    void this.#deliver(subscription, state, { join, payload });
  }

  /** The sync source's answer, entered in the document's log and the sender's versions. */
  async #ask(subscription: Subscription, wanted: Wanted): Promise<SyncAnswer> {
    const { clock, joinTimeoutMs } = this.#parts;
    const deadlineMs = clock.now() + joinTimeoutMs;
    return withDeadline(clock, joinTimeoutMs, this.#askUntilItFits(subscription, wanted, deadlineMs));
  }

  async #askUntilItFits(subscription: Subscription, wanted: Wanted, deadlineMs: number): Promise<SyncAnswer> {
    const { document } = subscription;
    const { clock } = this.#parts;
    const release = await this.#slots.take();
    if (!release) throw new TooManyJoins();
    try {
      for (;;) {
        const { incarnation } = document.log;
        const answer = await this.#parts.sync.join({
          document: document.id,
          senderId: subscription.senderId,
          heldAfter: document.log.heldAfter,
          ...(wanted.heard ? { heard: wanted.heard } : wanted.position ? { heard: wanted.position } : {}),
          ...(wanted.position ? { position: wanted.position } : {}),
          ...(wanted.stateVector ? { stateVector: wanted.stateVector } : {}),
        });
        const fits = document.log.incarnation === incarnation && document.log.fits(answer.position);
        if (!fits && !subscription.isClosed && clock.now() < deadlineMs) {
          // The log has begun anew meanwhile, or the source does not know yet that it will.
          await new Promise<void>((resolve) => void clock.setTimeout(resolve, RETRY_MS));
          continue;
        }
        document.tick.push(...document.log.learn(answer.position));
        if (document.tick.length > 0) this.#parts.onEvent(subscription);
        subscription.versions.settleAll(answer.appended);
        return answer;
      }
    } finally {
      release();
    }
  }

  /** Sends a state; goes live behind it, or is served by resume from there. */
  async #deliver(
    subscription: Subscription,
    answer: SyncAnswer,
    { join, payload }: { join: number; payload: Uint8Array },
  ): Promise<void> {
    const { position, kind, appended } = answer;
    const head = { ...subscription.document.address, join, position, kind, appended };
    subscription.generation = position.generation;
    const outcome = await subscription.outbox.state(subscription, encodeState(head, payload), position);
    if (subscription.isClosed) return;
    subscription.isJoining = false;
    // Dropped: the outbox asks for a resume as soon as it has drained.
    if (outcome === 'dropped') return;
    if (this.#goLive(subscription, position)) this.#parts.onState(subscription);
    else this.resume(subscription);
  }

  /** Sends what the ring holds after a state; false when it does not reach back that far (any more). */
  #goLive(subscription: Subscription, { epoch, offset }: Position): boolean {
    const { log } = subscription.document;
    if (log.epoch === undefined) {
      // A room without a topic: its first record makes everybody ask again.
      subscription.isLive = true;
      return true;
    }
    const held = epoch === log.epoch ? log.after(offset) : undefined;
    if (!held) return false;
    subscription.deliverAfter = Math.max(offset, held.at(-1)?.position.offset ?? -1);
    subscription.isLive = true;
    sendEntries(subscription, held);
    return true;
  }

  async #resumeUntilSent(subscription: Subscription, wanted: Wanted | undefined): Promise<void> {
    const { clock, logger } = this.#parts;
    while (!subscription.isClosed) {
      const position = subscription.sent;
      try {
        const answer = await this.#ask(subscription, wanted ?? (position ? { position } : {}));
        const payload = encodeSyncPayload(SyncMessageType.Step2, answer.update);
        await this.#deliver(subscription, answer, { join: 0, payload });
        return;
      } catch (error) {
        logger.warn({ err: error }, 'resume postponed');
        await new Promise<void>((resolve) => void clock.setTimeout(resolve, REFUSED_RETRY_MS));
      }
    }
  }

  #refusalOf(error: unknown, message: string): JoinAnswer {
    if (error instanceof TooManyJoins) return refusal('OVERLOADED');
    this.#parts.logger.warn({ err: error }, message);
    return refusal(isAppError(error, 'STORE_BEHIND') ? 'STORE_BEHIND' : 'UNAVAILABLE');
  }
}

class TooManyJoins extends Error {}

function documentOf(session: ClientSession, address: Omit<DocumentId, 'tenantId'>): DocumentId {
  const { roomId, docId, subdocId } = address;
  const id = { tenantId: session.identity.tenantId, roomId, docId };
  return subdocId === undefined ? id : { ...id, subdocId };
}

function refusal(code: NackCode, message?: string): JoinAnswer & { ok: false } {
  const nack = createNack(code, {
    ...(message === undefined ? {} : { message }),
    retryAfterMs: REFUSED_RETRY_MS,
  });
  return {
    ok: false,
    code,
    message: nack.message,
    permanent: nack.permanent,
    ...(nack.retryAfterMs === undefined ? {} : { retryAfterMs: nack.retryAfterMs }),
  };
}
