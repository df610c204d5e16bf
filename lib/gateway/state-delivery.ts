import { pause, type Clock } from '../clock.ts';
import { AppError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { encodeStateParts } from '../protocol/frames.ts';
import type { Position } from '../protocol/position.ts';
import type { SyncAnswer, SyncRequest, SyncSource } from '../sync/port.ts';
import { withDeadline } from './deadline.ts';
import { sendWhole } from './fan-out.ts';
import type { GatewayMetrics } from './gateway-metrics.ts';
import type { Subscription } from './hosted-document.ts';
import { answerFromRing } from './ring-answer.ts';
import { ResumeTrouble } from './resume-trouble.ts';
import { Slots } from './slots.ts';

export interface StateDeliveryParts {
  clock: Clock;
  logger: Logger;
  sync: SyncSource;
  joinTimeoutMs: number;
  joinConcurrency: number;
  metrics: GatewayMetrics;
  /** A subscription has got its state: the known awareness states follow. */
  onState: (subscription: Subscription) => void;
  /** What the waiting records turned out to be has been added to the document's tick. */
  onEvent: (subscription: Subscription) => void;
  /** There is nothing to serve: the document has been deleted. */
  onDeleted: (subscription: Subscription) => void;
}

/** What a subscription wants to be brought up to date from. */
export type Wanted = Pick<SyncRequest, 'position' | 'heard' | 'stateVector'>;

/** Joins that may wait for one of the slots, for each slot. */
const WAITING_PER_SLOT = 128;
const RETRY_MS = 250;
const RESUME_RETRY_MS = 1000;

/** Brings subscriptions to a state and then into the live fan-out, without a gap (design rules 6 and 7). */
export class StateDelivery {
  readonly #parts: StateDeliveryParts;
  readonly #slots: Slots;
  readonly #trouble: ResumeTrouble;

  constructor(parts: StateDeliveryParts) {
    this.#parts = parts;
    this.#slots = new Slots(parts.joinConcurrency, parts.joinConcurrency * WAITING_PER_SLOT);
    this.#trouble = new ResumeTrouble(parts);
  }

  /**
   * The ring's or the sync source's answer, entered in the document's log and the sender's versions. Fails like
   * SyncSource, with SERVICE_UNAVAILABLE at the deadline, with STREAM_BUFFER_FULL when too many wait.
   */
  async ask(
    subscription: Subscription,
    wanted: Wanted,
    deadlineMs = this.#parts.clock.now() + this.#parts.joinTimeoutMs,
  ): Promise<SyncAnswer> {
    const { clock } = this.#parts;
    // What was acked to anybody before this join is in the state, or in the ring right behind it.
    const caughtUp = withDeadline(clock, deadlineMs - clock.now(), subscription.document.catchUp());
    if (wanted.position) await caughtUp;
    const fromRing = answerFromRing(subscription, wanted);
    if (fromRing) {
      this.#parts.metrics.joins.inc({ source: 'ring' });
      subscription.versions.settleAll(fromRing.appended);
      return fromRing;
    }
    const asking = this.#askUntilItFits(subscription, wanted, deadlineMs);
    const asked = withDeadline(clock, deadlineMs - clock.now(), asking);
    const [answer] = await Promise.all([asked, caughtUp]);
    this.#parts.metrics.joins.inc({ source: 'fastsync' });
    return answer;
  }

  async #askUntilItFits(subscription: Subscription, wanted: Wanted, deadlineMs: number): Promise<SyncAnswer> {
    const { document } = subscription;
    const { userId } = subscription.identity;
    const { clock } = this.#parts;
    // Hundreds that join a large document at once must not keep everybody else from joining theirs.
    const release = await this.#slots.take(document.key);
    if (!release) throw new AppError('STREAM_BUFFER_FULL', { message: 'Too many joins are waiting.' });
    try {
      // The work of one that nobody waits for any more would only hold up the others.
      if (subscription.isClosed || clock.now() > deadlineMs) throw new AppError('SERVICE_UNAVAILABLE');
      for (;;) {
        const { incarnation } = document.log;
        const topicId = document.topicId();
        const answer = await this.#parts.sync.join({
          document: document.id,
          senderId: subscription.senderId,
          ...(userId === undefined ? {} : { userId }),
          heldAfter: document.log.answerFrom,
          ...(topicId === undefined ? {} : { topicId }),
          ...(wanted.heard ? { heard: wanted.heard } : wanted.position ? { heard: wanted.position } : {}),
          ...(wanted.position ? { position: wanted.position } : {}),
          ...(wanted.stateVector ? { stateVector: wanted.stateVector } : {}),
        });
        if (subscription.isClosed) return answer;
        if (document.log.incarnation === incarnation && document.log.fits(answer.position)) {
          document.tick.push(...document.log.learn(answer.position, answer));
          if (document.tick.length > 0) this.#parts.onEvent(subscription);
          subscription.versions.settleAll(answer.appended);
          return answer;
        }
        // The log has begun anew meanwhile, or the source does not know yet that it will.
        if (clock.now() > deadlineMs) throw new AppError('SERVICE_UNAVAILABLE');
        await pause(clock, RETRY_MS);
      }
    } finally {
      release();
    }
  }

  /** Sends a state; goes live behind it, or is served by resume from there. */
  async deliver(subscription: Subscription, answer: SyncAnswer, join: number): Promise<void> {
    const { position, kind, appended } = answer;
    const through = this.#heldBehind(subscription, position);
    const head = { ...subscription.document.address, join, position, kind, appended, ...through };
    subscription.generation = position.generation;
    const frame = encodeStateParts(head, answer.update);
    const outcome = await subscription.outbox.state(subscription, frame, position);
    if (subscription.isClosed) return;
    subscription.isJoining = false;
    // Dropped: the outbox asks for a resume as soon as it has drained.
    if (outcome === 'dropped') return;
    if (this.#goLive(subscription, position)) this.#parts.onState(subscription);
    else this.resume(subscription);
  }

  /** Until where the ring's entries that follow the state bring the client. */
  #heldBehind({ document: { log } }: Subscription, { epoch, offset }: Position): { through?: number } {
    const last = epoch === log.epoch ? log.after(offset)?.at(-1) : undefined;
    return last && last.position.offset > offset ? { through: last.position.offset } : {};
  }

  /** Sends what the ring holds after a state; false when it does not reach back that far (any more). */
  #goLive(subscription: Subscription, { epoch, offset }: Position): boolean {
    const { log } = subscription.document;
    if (log.epoch === undefined) {
      // The follow began anew since the answer was asked for: what came before that is not held any more.
      if (epoch !== 0) return false;
      // A room without a topic: its first record makes everybody ask again.
      subscription.isLive = true;
      return true;
    }
    const held = epoch === log.epoch ? log.after(offset) : undefined;
    if (!held) return false;
    subscription.deliverAfter = Math.max(offset, held.at(-1)?.position.offset ?? -1);
    subscription.isLive = true;
    // Its own among them are acked by this, and owed no longer: an earlier connection of the sender had appended them.
    for (const { owner, version } of held)
      if (owner === subscription.owner) subscription.versions.settle(version);
    sendWhole(subscription, held);
    return true;
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

  async #resumeUntilSent(subscription: Subscription, wanted: Wanted | undefined): Promise<void> {
    const { clock } = this.#parts;
    while (!subscription.isClosed) {
      const position = subscription.sent;
      try {
        const answer = await this.ask(subscription, wanted ?? (position ? { position } : {}));
        if (subscription.document.log.isGone(answer)) this.#parts.onDeleted(subscription);
        else await this.deliver(subscription, answer, 0);
        break;
      } catch (error) {
        this.#trouble.postponed(subscription, error);
        await pause(clock, RESUME_RETRY_MS);
      }
    }
    this.#trouble.ended(subscription);
  }
}
