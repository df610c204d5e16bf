import type { JoinAccepted } from '../protocol/index.ts';
import type { DocumentSession } from './document-session.ts';
import { Alarm } from './environment.ts';
import { JoinCycle, type JoinKind } from './join-cycle.ts';
import { createJoinRequest } from './join-request.ts';
import { LiveStatus } from './live-status.ts';
import { UploadCheck } from './upload-check.ts';

/** Milliseconds that entries beyond a gap may wait, after a state, for those that the gateway sends behind it. */
const GAP_PATIENCE_MS = 1000;

/** How a document and the server come into step: the joins, what their answers make of the document, what it uploads. */
export class SyncCourse {
  readonly joins: JoinCycle;
  readonly upload: UploadCheck;
  readonly #session: DocumentSession;
  readonly #live: LiveStatus;
  readonly #gapPatience: Alarm;
  #stateBytes = 0;

  constructor(session: DocumentSession) {
    this.#session = session;
    const { environment, tuning, connection } = session.context;
    this.#live = new LiveStatus(session.context, session.ref);
    this.#gapPatience = new Alarm(environment);
    this.upload = new UploadCheck({
      environment,
      queued: () => session.outgoing.queue.updates(),
      onDecided: (lacking) => this.#onUploadDecided(lacking),
    });
    this.joins = new JoinCycle({
      environment,
      retryMinMs: tuning.retryMinMs,
      retryMaxMs: tuning.retryMaxMs,
      timeoutMs: tuning.joinTimeoutMs,
      request: (kind) => createJoinRequest(kind, session),
      send: (request, onAnswer) => connection.join(request, onAnswer),
      onAccepted: (accepted) => this.#onJoinAccepted(accepted),
      onRefused: (refusal) => session.refusal.onRefused(refusal),
    });
  }

  get isLive(): boolean {
    return this.#live.isLive;
  }

  get isSynced(): boolean {
    return this.#live.isSynced;
  }

  /** Since the document was attached. */
  get wasLive(): boolean {
    return this.#live.wasLive;
  }

  /** Bytes of the state that the last accepted join announced. */
  get stateBytes(): number {
    return this.#stateBytes;
  }

  /** Another document, of which the server has seen nothing yet. */
  restart(): void {
    this.upload.cancel();
    this.#live.restart();
  }

  connected(): void {
    const { recovery, tracker } = this.#session;
    recovery.begin();
    const mustCompare = tracker.position === undefined || this.upload.isPending;
    const resumable: JoinKind = mustCompare ? 'full' : 'resume';
    this.joins.connected(this.#session.holdsRefused || recovery.isSuspect ? 'uncut' : resumable);
  }

  disconnected(): void {
    this.#live.end();
    this.joins.disconnected();
    this.#session.outgoing.disconnected();
    this.upload.interrupt();
    this.#gapPatience.clear();
    this.#session.replica?.awareness?.forgetOthers();
    this.#live.setSynced(false);
  }

  /** Nothing is sent until the next join. */
  end(): void {
    this.#live.end();
  }

  /** The gateway does not know this document (any more): nothing is sent until it has been joined again. */
  joinAgain(): void {
    this.#live.end();
    this.joins.want('resume');
  }

  /** The document takes nothing of the server for now. */
  halt(): void {
    this.upload.interrupt();
    this.joins.cancel();
    this.#live.setSynced(false);
  }

  /** For good. */
  stop(): void {
    this.#live.end();
    this.joins.disconnected();
    this.upload.cancel();
    this.#gapPatience.clear();
  }

  /**
   * A state has been applied: from here on this document sends, and is sent, what happens. With `through` the
   * gateway sends entries right behind the state; only with the last of them it is complete.
   */
  becameLive(through?: number): void {
    const { tracker, recovery, right, outgoing } = this.#session;
    this.#live.begin(tracker.position, through);
    recovery.begin();
    right.onLive();
    outgoing.flush();
    // Not before: a document may be let go meanwhile.
    this.#session.replica?.awareness?.announce();
    this.joins.succeeded();
    if (tracker.hasGap) this.#repairLater();
    this.#session.noteUnacked();
    this.moved();
    this.#session.checkDrained();
  }

  /** The position may have moved: to where the join is complete, perhaps. */
  moved(): void {
    if (!this.#live.isComplete(this.#session.tracker.position)) return;
    this.upload.finish();
    if (!this.joins.isActive) this.#live.setSynced(true);
  }

  #repairLater(): void {
    this.#gapPatience.set(GAP_PATIENCE_MS, () => {
      if (this.#session.tracker.hasGap && !this.joins.isActive) this.joins.want('resume');
    });
  }

  #onUploadDecided(lacking: Uint8Array | undefined): void {
    const { outgoing, right } = this.#session;
    if (lacking) outgoing.queue.addFirst(lacking);
    right.onWaiting();
    outgoing.flush();
    this.#session.noteUnacked();
  }

  #onJoinAccepted({ position, readOnly, stateBytes }: JoinAccepted): void {
    this.#session.refusal.forget();
    this.#session.tracker.hear(position);
    this.#session.right.learn(readOnly);
    this.#stateBytes = stateBytes;
  }
}
