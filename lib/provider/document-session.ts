import {
  encodeSyncPayload,
  NACK_CODES,
  SyncMessageType,
  type Nack,
  type Position,
} from '../protocol/index.ts';
import type { AttachOptions, HaltReason } from './attach-options.ts';
import type { DocumentAdapter } from './document-adapter.ts';
import { documentRef, type DocumentRef } from './events.ts';
import type { JoinCycle } from './join-cycle.ts';
import { isEmptyUpdate } from '../protocol/empty-update.ts';
import { Outgoing } from './outgoing.ts';
import { PositionTracker } from './position-tracker.ts';
import type { ProcessingContext } from './processing-context.ts';
import { Recovery } from './recovery.ts';
import { RefusedJoin } from './refused-join.ts';
import { Replica } from './replica.ts';
import { SyncCourse } from './sync-course.ts';
import type { UploadCheck } from './upload-check.ts';
import { WriteRight } from './write-right.ts';

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
  readonly course: SyncCourse;
  readonly joins: JoinCycle;
  readonly upload: UploadCheck;
  readonly recovery: Recovery;
  readonly refusal: RefusedJoin;
  readonly right: WriteRight;
  readonly context: ProcessingContext;
  readonly ref: DocumentRef;
  /** Versions that the server refused for good, until a full state has shown whether they are in the log after all. */
  readonly refused = new Map<number, Nack>();
  #replica: Replica | undefined;
  #attached: AttachOptions = {};
  #halt: HaltReason | undefined;
  #hadUnacked = false;

  constructor(context: ProcessingContext) {
    this.context = context;
    this.ref = documentRef(context.address);
    this.recovery = new Recovery(this);
    this.refusal = new RefusedJoin(this);
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
      onStalled: () => {
        if (!this.#halt) this.joins.want('resume');
      },
      onBacklog: (isFull) => {
        const { count, bytes } = this.outgoing.queue;
        context.emit('backlog', { ...this.ref, isFull, updates: count, bytes });
      },
    });
    this.course = new SyncCourse(this);
    this.joins = this.course.joins;
    this.upload = this.course.upload;
  }

  get replica(): Replica | undefined {
    return this.#replica;
  }

  /** With what the document was added. */
  get attached(): AttachOptions {
    return this.#attached;
  }

  get isLive(): boolean {
    return this.course.isLive;
  }

  /** True when something is in the document that the server has refused, or will not take. */
  get holdsRefused(): boolean {
    return this.refused.size > 0 || this.right.refusesWaiting;
  }

  get halted(): HaltReason | undefined {
    return this.#halt;
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
    return !this.course.wasLive && this.#replica?.hadContent === true;
  }

  attach(adapter: DocumentAdapter, options: AttachOptions): void {
    const { queue } = this.outgoing;
    if (this.#halt === 'replaced' || this.#halt === 'deleted') queue.drop();
    this.#halt = undefined;
    this.refusal.forget();
    this.course.end();
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
    this.refusal.forget();
    this.course.stop();
    this.outgoing.stop();
    this.right.restart();
  }

  connected(): void {
    if (this.#halt && LASTING.has(this.#halt)) return;
    this.#halt = undefined;
    this.course.connected();
  }

  disconnected(): void {
    this.refusal.forget();
    this.course.disconnected();
  }

  /** Joins a refused document as on a new connection, with what was typed meanwhile. */
  beginAgain(): void {
    this.course.disconnected();
    this.connected();
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
    this.course.halt();
  }

  /** Refused in this attempt only: a full state shows whether an earlier one has reached the log. */
  refuse(...nacks: readonly (Nack & { version: number })[]): void {
    for (const nack of nacks) this.refused.set(nack.version, nack);
    if (nacks.length > 0) this.joins.want('uncut');
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

  /** This document takes the place of the one before; what it knows of the log begins anew. */
  useDocument(adapter: DocumentAdapter): void {
    this.#replica?.detach();
    this.course.restart();
    this.recovery.trust();
    this.right.restart();
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
}
