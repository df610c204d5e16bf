import {
  encodeSyncPayload,
  NACK_CODES,
  SyncMessageType,
  type JoinAccepted,
  type Nack,
  type Position,
  type Refusal,
} from '../protocol/index.ts';
import type { AttachOptions, HaltReason } from './attach-options.ts';
import type { DocumentAdapter } from './document-adapter.ts';
import { Alarm } from './environment.ts';
import { documentRef, type DocumentRef } from './events.ts';
import { JoinCycle, type JoinKind } from './join-cycle.ts';
import { isEmptyUpdate } from '../protocol/empty-update.ts';
import { createJoinRequest } from './join-request.ts';
import { LiveStatus } from './live-status.ts';
import { Outgoing } from './outgoing.ts';
import { PositionTracker } from './position-tracker.ts';
import type { ProcessingContext } from './processing-context.ts';
import { Recovery } from './recovery.ts';
import { Replica } from './replica.ts';
import { UploadCheck } from './upload-check.ts';
import { WriteRight } from './write-right.ts';

/** Milliseconds that entries beyond a gap may wait, after a state, for those that the gateway sends behind it. */
const GAP_PATIENCE_MS = 1000;

/** A new connection changes nothing about these. */
const LASTING: ReadonlySet<HaltReason> = new Set<HaltReason>(['replaced', 'deleted', 'trapped']);

const UPDATE_TOO_LARGE = { code: 'UPDATE_TOO_LARGE', ...NACK_CODES.UPDATE_TOO_LARGE } as const;

/**
 * What holds between the messages of one document: the application's document, its position in the log, its
 * updates until they are settled, its joins. The intakes say what each message changes in it.
 */
export class DocumentSession {
  readonly tracker = new PositionTracker();
  readonly outgoing: Outgoing;
  readonly joins: JoinCycle;
  readonly upload: UploadCheck;
  readonly recovery: Recovery;
  readonly right: WriteRight;
  readonly context: ProcessingContext;
  readonly ref: DocumentRef;
  /** Versions that the server refused for good, until a full state has shown whether they are in the log after all. */
  readonly refused = new Map<number, Nack>();
  readonly #live: LiveStatus;
  readonly #gapPatience: Alarm;
  #replica: Replica | undefined;
  #attached: AttachOptions = {};
  #halt: HaltReason | undefined;
  #hadUnacked = false;
  #stateBytes = 0;

  constructor(context: ProcessingContext, onJoinRefused: (refusal: Refusal) => void) {
    this.context = context;
    this.ref = documentRef(context.address);
    this.#live = new LiveStatus(context, this.ref);
    const { environment, tuning, connection } = context;
    this.#gapPatience = new Alarm(environment);
    this.recovery = new Recovery(this);
    this.right = new WriteRight(this);
    this.outgoing = new Outgoing({
      context,
      state: () => ({
        isLive: this.isLive,
        maySendUpdates: this.#maySendUpdates,
        generation: this.tracker.generation ?? 1,
      }),
      takeEphemeral: () => this.#replica?.awareness?.takePayload(),
      onTooLarge: (version) => this.refuse({ ...UPDATE_TOO_LARGE, version }),
      onStalled: () => this.joins.want('resume'),
      onBacklog: (isFull) => {
        const { count, bytes } = this.outgoing.queue;
        context.emit('backlog', { ...this.ref, isFull, updates: count, bytes });
      },
    });
    this.upload = new UploadCheck({
      environment,
      queued: () => this.outgoing.queue.updates(),
      onDecided: (lacking) => this.#onUploadDecided(lacking),
    });
    this.joins = new JoinCycle({
      environment,
      retryMinMs: tuning.retryMinMs,
      retryMaxMs: tuning.retryMaxMs,
      timeoutMs: tuning.joinTimeoutMs,
      request: (kind) => createJoinRequest(kind, this),
      send: (request, onAnswer) => connection.join(request, onAnswer),
      onAccepted: (accepted) => this.#onJoinAccepted(accepted),
      onRefused: onJoinRefused,
    });
  }

  get replica(): Replica | undefined {
    return this.#replica;
  }

  /** With what the document was added. */
  get attached(): AttachOptions {
    return this.#attached;
  }

  get isLive(): boolean {
    return this.#live.isLive;
  }

  get isSynced(): boolean {
    return this.#live.isSynced;
  }

  /** True when something is in the document that the server has refused, or will not take. */
  get holdsRefused(): boolean {
    return this.refused.size > 0 || this.right.refusesWaiting;
  }

  get halted(): HaltReason | undefined {
    return this.#halt;
  }

  /** Bytes of the state that the last accepted join announced. */
  get stateBytes(): number {
    return this.#stateBytes;
  }

  /** True when content of the server may go into the document. */
  get mayApply(): boolean {
    return this.#replica !== undefined && this.#halt === undefined;
  }

  /** True when neither the document nor the queue holds anything: it can follow into another generation as it is. */
  get isUntouched(): boolean {
    return this.outgoing.queue.isEmpty && (this.#replica?.isEmpty() ?? true);
  }

  /** True unless the server is known to have everything that is in the document. */
  get hasUnackedChanges(): boolean {
    if (!this.outgoing.queue.isEmpty || this.upload.isPending) return true;
    return !this.#live.wasLive && this.#replica?.hadContent === true;
  }

  attach(adapter: DocumentAdapter, options: AttachOptions): void {
    const { queue } = this.outgoing;
    if (this.#halt === 'replaced' || this.#halt === 'deleted') queue.drop();
    this.#halt = undefined;
    this.#live.end();
    this.refused.clear();
    this.#attached = options;
    this.useDocument(adapter);
    this.tracker.restart(options.position?.generation);
    if (options.position) this.tracker.hear(options.position);
    // What an earlier document has left unsettled belongs to this one too, and counts as its own.
    for (const update of queue.updates()) this.apply(update);
    if (this.context.connection.status === 'connected') this.joins.connected('full');
    this.noteUnacked();
  }

  /** Lets go of the document. Updates that are not settled are still sent; then `onDrained` is called. */
  detach(): void {
    this.recovery.trust();
    this.upload.finish();
    this.outgoing.flush();
    this.farewell();
    this.#replica?.detach();
    this.#replica = undefined;
    if (this.#halt || this.holdsRefused) this.outgoing.queue.drop();
    this.right.restart();
    this.noteUnacked();
    this.checkDrained();
  }

  /** Takes the awareness away from the others while the document stays. */
  farewell(): void {
    const removal = this.#replica?.awareness?.removalPayload();
    if (removal) this.outgoing.sendEphemeral(removal);
  }

  /** Ends at once: nothing is sent any more. */
  stop(): void {
    this.#replica?.detach();
    this.#replica = undefined;
    this.#live.end();
    this.joins.disconnected();
    this.outgoing.stop();
    this.upload.cancel();
    this.right.restart();
    this.#gapPatience.clear();
    this.right.restart();
  }

  connected(): void {
    if (this.#halt && LASTING.has(this.#halt)) return;
    this.#halt = undefined;
    this.recovery.begin();
    const mustCompare = this.tracker.position === undefined || this.upload.isPending;
    const resumable: JoinKind = mustCompare ? 'full' : 'resume';
    this.joins.connected(this.holdsRefused || this.recovery.isSuspect ? 'uncut' : resumable);
  }

  disconnected(): void {
    this.#live.end();
    this.joins.disconnected();
    this.outgoing.disconnected();
    this.upload.interrupt();
    this.#gapPatience.clear();
    this.#replica?.awareness?.forgetOthers();
    this.#live.setSynced(false);
  }

  /** The gateway does not know this document (any more): nothing is sent until it has been joined again. */
  joinAgain(): void {
    this.#live.end();
    this.joins.want('resume');
  }

  /**
   * A state has been applied: from here on this document sends, and is sent, what happens. With `through` the
   * gateway sends entries right behind the state; only with the last of them it is complete.
   */
  becameLive(through?: number): void {
    this.#live.begin(this.tracker.position, through);
    this.recovery.begin();
    this.right.onLive();
    this.outgoing.flush();
    this.#replica?.awareness?.announce();
    this.joins.succeeded();
    if (this.tracker.hasGap) this.#repairLater();
    this.noteUnacked();
    this.moved();
    this.checkDrained();
  }

  /** The position may have moved: to where the join is complete, perhaps. */
  moved(): void {
    if (!this.#live.isComplete(this.tracker.position)) return;
    this.upload.finish();
    if (!this.joins.isActive) this.#live.setSynced(true);
  }

  /** The document takes content that belongs to it; what it throws is reported, not thrown. True when it took it. */
  apply(update: Uint8Array): boolean {
    if (!this.#replica || isEmptyUpdate(update)) return true;
    const handled = this.#replica.handle(encodeSyncPayload(SyncMessageType.Update, update));
    if (!handled.ok) this.recovery.onUnappliable(handled.cause, undefined);
    return handled.ok;
  }

  /** The version is in the log; it is held no longer. */
  settled(version: number, position: Position): void {
    this.refused.delete(version);
    this.context.emit('acked', { ...this.ref, version, position });
  }

  halt(reason: HaltReason): void {
    this.#halt = reason;
    this.upload.interrupt();
    this.joins.cancel();
    this.#live.setSynced(false);
  }

  /** Refused in this attempt only: a full state shows whether an earlier one has reached the log. */
  refuse(nack: Nack & { version: number }): void {
    this.refused.set(nack.version, nack);
    this.joins.want('uncut');
  }

  noteUnacked(): void {
    const hasUnackedChanges = this.hasUnackedChanges;
    if (hasUnackedChanges === this.#hadUnacked) return;
    this.#hadUnacked = hasUnackedChanges;
    this.context.emit('unacked-changes', { ...this.ref, hasUnackedChanges });
  }

  /** A removed document is done when nothing of it waits any more. */
  checkDrained(): void {
    if (!this.#replica && this.outgoing.queue.isEmpty) this.context.onDrained();
  }

  /** What waits may build on what lacks: it is held back until that is known. */
  get #maySendUpdates(): boolean {
    const isHeld = this.refused.size > 0 || this.upload.isPending || this.recovery.isSuspect;
    return !this.#halt && !this.right.isReadOnly && !isHeld;
  }

  #onUploadDecided(lacking: Uint8Array | undefined): void {
    if (lacking) this.outgoing.queue.addFirst(lacking);
    this.right.onWaiting();
    this.outgoing.flush();
    this.noteUnacked();
  }

  /** This document takes the place of the one before; what it knows of the log begins anew. */
  useDocument(adapter: DocumentAdapter): void {
    this.#replica?.detach();
    this.upload.cancel();
    this.recovery.trust();
    this.right.restart();
    this.#live.restart();
    this.#replica = new Replica({
      adapter,
      awareness: this.#attached.awareness,
      origin: this.context.origin,
      versionsBefore: this.outgoing.queue.lastVersion,
      onLocalUpdate: (update) => this.#onLocalUpdate(update),
      onAwarenessDirty: () => this.outgoing.scheduleFlush(),
    });
  }

  #onLocalUpdate(update: Uint8Array): void {
    this.outgoing.add(update);
    this.right.onWaiting();
    this.noteUnacked();
  }

  #repairLater(): void {
    this.#gapPatience.set(GAP_PATIENCE_MS, () => {
      if (this.tracker.hasGap && !this.joins.isActive) this.joins.want('resume');
    });
  }

  #onJoinAccepted({ position, readOnly, stateBytes }: JoinAccepted): void {
    this.tracker.hear(position);
    this.right.learn(readOnly);
    this.#stateBytes = stateBytes;
  }
}
