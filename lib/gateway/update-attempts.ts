import type { Clock } from '../clock.ts';
import { AppError, isAppError } from '../errors.ts';
import type { NackCode } from '../protocol/nack-codes.ts';
import type { StreamRecord } from '../stream/port.ts';
import type { TopicResolver } from '../stream/topics.ts';
import type { Appender } from './appender.ts';
import type { ClientSession } from './client-session.ts';
import type { Attempt } from './client-versions.ts';
import type { GatewayMetrics } from './gateway-metrics.ts';
import type { Subscription } from './hosted-document.ts';
import type { LogWatch } from './log-watch.ts';

export interface UpdateAttemptsParts {
  clock: Clock;
  appender: Appender;
  topics: TopicResolver;
  appendTimeoutMs: number;
  watch: LogWatch;
  metrics: GatewayMetrics;
}

interface Unacked {
  session: ClientSession;
  /** How far the follow of the partition was when it was last looked at, and when it last had moved by then. */
  through: number;
  movedAtMs: number;
}

/** An update on its way: who sent it, and what is to be appended. */
export interface UpdateRecord {
  version: number;
  record: StreamRecord;
  /** The log will never take it. */
  onTooLarge: () => void;
}

/** So many time limits an update may wait in a log that moves. */
const MAX_TIME_LIMITS = 6;
const FULL_PAUSE_MS = 200;

/** Updates from their append until the follow has delivered them, or they are owed (design rule 11). */
export class UpdateAttempts {
  readonly #parts: UpdateAttemptsParts;
  /** Subscriptions that may have something unacked, for the time limit. */
  readonly #unacked = new Map<Subscription, Unacked>();
  #pendingBytes = 0;

  constructor(parts: UpdateAttemptsParts) {
    this.#parts = parts;
  }

  /** Bytes handed to the log that it has not answered for yet. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Appends in call order; a failure is nacked, a success is acked by the follow. */
  begin(session: ClientSession, subscription: Subscription, update: UpdateRecord): void {
    const { clock, appender, topics, metrics, watch } = this.#parts;
    const { document } = subscription;
    const bytes = update.record.value.byteLength;
    const attempt = subscription.versions.begin(update.version, clock.now(), bytes);
    this.#pendingBytes += bytes;
    if (!this.#unacked.has(subscription))
      this.#unacked.set(subscription, { session, through: document.followedThrough(), movedAtMs: -Infinity });
    const appended = () => {
      metrics.appends.inc({ outcome: 'ok' });
      watch.appended(document.target);
    };
    const failed = (error: unknown) => {
      metrics.appends.inc({ outcome: 'failed' });
      if (isAppError(error, 'STREAM_RECORD_TOO_LARGE')) update.onTooLarge();
      else this.#failed(session, subscription, { attempt, error });
    };
    appender
      .append(document.target, () => topics.spec('doc', document.id), update.record)
      .then(appended, failed)
      .finally(() => {
        this.#pendingBytes -= bytes;
      });
  }

  /**
   * Nacks what the follow has not delivered within the time limit. To be called regularly. As long as the follow of
   * the partition moves, what is behind in it is only slow, and to have it sent again would make it slower; nothing
   * waits longer than some time limits.
   */
  expire(): void {
    const { clock, appendTimeoutMs } = this.#parts;
    const now = clock.now();
    const before = now - appendTimeoutMs;
    for (const [subscription, unacked] of this.#unacked) {
      const through = subscription.document.followedThrough();
      if (through > unacked.through) Object.assign(unacked, { through, movedAtMs: now });
      const limit = unacked.movedAtMs < before ? before : now - MAX_TIME_LIMITS * appendTimeoutMs;
      const expired = subscription.versions.expired(limit);
      if (expired) this.#timedOut(unacked.session, subscription, expired);
      if (subscription.versions.unacked === 0 || subscription.isClosed) this.#unacked.delete(subscription);
    }
  }

  #timedOut(session: ClientSession, subscription: Subscription, attempt: Attempt): void {
    const error = new AppError('STREAM_APPEND_FAILED', { message: 'The append took too long.' });
    if (!subscription.isClosed) this.#parts.watch.failed(subscription.document.target, error);
    this.#owe(session, subscription, { attempt, code: 'APPEND_TIMEOUT' });
  }

  #failed(
    session: ClientSession,
    subscription: Subscription,
    { attempt, error }: { attempt: Attempt; error: unknown },
  ): void {
    const isFull = isAppError(error, 'STREAM_BUFFER_FULL');
    // A full buffer says nothing about the log; whoever goes on filling it is not read for a while.
    if (isFull) session.pauseReading(FULL_PAUSE_MS);
    else this.#parts.watch.failed(subscription.document.target, error);
    this.#owe(session, subscription, { attempt, code: isFull ? 'OVERLOADED' : 'APPEND_FAILED' });
  }

  /** The attempt and what arrived behind it is owed now; nothing that the follow has delivered. */
  #owe(
    session: ClientSession,
    subscription: Subscription,
    { attempt, code }: { attempt: Attempt; code: NackCode },
  ): void {
    for (const version of subscription.versions.fail(attempt)) {
      if (!subscription.isClosed) session.nack(code, { address: subscription.document.address, version });
    }
  }
}
