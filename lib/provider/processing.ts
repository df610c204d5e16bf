import type { Awareness } from 'y-protocols/awareness';
import {
  encodeSyncPayload,
  SyncMessageType,
  tryDecodeControl,
  type Ack,
  type JoinRequest,
  type Nack,
  type Position,
  type Refusal,
  type StateHead,
} from '../protocol/index.ts';
import type { ProtocolMessageEvent } from './connection-events.ts';
import type { DocumentAdapter } from './document-adapter.ts';
import { documentRef, type DocumentReplacedEvent, type DocumentRef } from './events.ts';
import { Alarm } from './environment.ts';
import { JoinCycle, type JoinKind } from './join-cycle.ts';
import { isEmptyUpdate } from './lacking.ts';
import { Outgoing } from './outgoing.ts';
import { PositionTracker, type Place } from './position-tracker.ts';
import type { ProcessingContext } from './processing-context.ts';
import { Replica } from './replica.ts';
import { StateIntake } from './state-intake.ts';

const EMPTY_UPDATE = new Uint8Array([0, 0]);
/** Milliseconds that entries beyond a gap may wait, after a state, for those that the gateway sends behind it. */
const GAP_PATIENCE_MS = 1000;
const PERMISSION_CODES: readonly string[] = ['PERMISSION_DENIED', 'READ_ONLY', 'UNAUTHENTICATED'];

export interface AttachOptions {
  awareness?: Awareness;
  /** Where a kept copy stood in the log: says which generation its content is of. */
  position?: Position;
  /** Makes the new document when this one is replaced or trapped. */
  recreate?: () => DocumentAdapter;
}

/** Why a document takes no part any more, although it has not been removed. */
export type HaltReason = 'replaced' | 'trapped' | 'unreadable' | 'refused';

/**
 * Sync, awareness and control of one document: its position in the log, its updates until they are acked, its
 * joins. Without a document (removed, with updates still on their way) it goes on until those are settled.
 */
export class ProtocolProcessing {
  readonly tracker = new PositionTracker();
  readonly outgoing: Outgoing;
  readonly joins: JoinCycle;
  readonly context: ProcessingContext;
  readonly ref: DocumentRef;
  /** Versions that the server refused for good, until a full state has shown whether they are in the log after all. */
  readonly refused = new Map<number, Nack>();
  readonly #intake: StateIntake;
  readonly #gapPatience: Alarm;
  #replica: Replica | undefined;
  #attached: AttachOptions = {};
  #halt: HaltReason | undefined;
  #isLive = false;
  #isSynced = false;
  #wasSynced = false;
  #isReadOnly = false;
  #hadUnacked = false;
  #stateBytes = 0;

  constructor(context: ProcessingContext) {
    this.context = context;
    this.ref = documentRef(context.address);
    const { environment, tuning, connection } = context;
    this.#gapPatience = new Alarm(environment);
    this.outgoing = new Outgoing({
      context,
      state: () => ({
        isLive: this.#isLive,
        maySendUpdates: !this.#halt && !this.#isReadOnly && this.refused.size === 0,
        generation: this.tracker.generation ?? 1,
      }),
      takeEphemeral: () => this.#replica?.awareness?.takePayload(),
      onStalled: () => this.joins.want('resume'),
    });
    this.joins = new JoinCycle({
      environment,
      retryMinMs: tuning.retryMinMs,
      retryMaxMs: tuning.retryMaxMs,
      timeoutMs: tuning.joinTimeoutMs,
      request: (kind) => this.#joinRequest(kind),
      send: (request, onAnswer) => connection.join(request, onAnswer),
      onAccepted: ({ position, readOnly, stateBytes }) => {
        this.tracker.hear(position);
        this.#isReadOnly = readOnly;
        this.#stateBytes = stateBytes;
      },
      onRefused: (refusal) => this.#onJoinRefused(refusal),
    });
    this.#intake = new StateIntake(this);
  }

  get replica(): Replica | undefined {
    return this.#replica;
  }

  get isSynced(): boolean {
    return this.#isSynced;
  }

  get isReadOnly(): boolean {
    return this.#isReadOnly;
  }

  get halted(): HaltReason | undefined {
    return this.#halt;
  }

  get position(): Position | undefined {
    return this.tracker.position;
  }

  /** True unless the server is known to have everything that is in the document. */
  get hasUnackedChanges(): boolean {
    return !this.outgoing.queue.isEmpty || (!this.#wasSynced && this.#replica?.hadContent === true);
  }

  /** Takes a document, the first or another one after a removal, a replacement or a trap. */
  attach(adapter: DocumentAdapter, options: AttachOptions = {}): void {
    const { queue } = this.outgoing;
    if (this.#halt === 'replaced') queue.drop();
    this.#halt = undefined;
    this.#isLive = false;
    this.refused.clear();
    this.#attached = options;
    this.#useDocument(adapter);
    // What an earlier document has left unsettled belongs to this one too, and counts as its own.
    for (const update of queue.updates()) this.apply(update);
    this.tracker.restart(options.position?.generation);
    if (options.position) this.tracker.hear(options.position);
    if (this.context.connection.status === 'connected') this.joins.connected('full');
    this.noteUnacked();
  }

  /** Lets go of the document. Updates that are not settled are still sent; then `onDrained` is called. */
  detach(): void {
    this.outgoing.flush();
    this.farewell();
    this.#replica?.detach();
    this.#replica = undefined;
    if (this.#halt || this.refused.size > 0) this.outgoing.queue.drop();
    this.noteUnacked();
    this.#checkDrained();
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
    this.#isLive = false;
    this.joins.disconnected();
    this.outgoing.stop();
    this.#gapPatience.clear();
  }

  connected(): void {
    if (this.#halt === 'replaced' || this.#halt === 'trapped') return;
    this.#halt = undefined;
    this.#intake.connected();
    this.joins.connected(
      this.refused.size > 0 ? 'uncut' : this.tracker.position === undefined ? 'full' : 'resume',
    );
  }

  disconnected(): void {
    this.#isLive = false;
    this.joins.disconnected();
    this.outgoing.disconnected();
    this.#gapPatience.clear();
    this.#replica?.awareness?.forgetOthers();
    this.#setSynced(false);
  }

  onSync(event: ProtocolMessageEvent): void {
    const { position, previous, metadata, payload } = event;
    if (position === undefined || previous === undefined) return;
    const entry: Place = { position, previous };
    this.tracker.hear(position);
    const isOwn = metadata.senderId === this.context.senderId;
    if (isOwn && this.outgoing.queue.has(metadata.version)) return this.#onOwn(metadata.version, entry);
    const place = this.tracker.place(entry);
    if (place === 'stale' || place === 'known' || !this.#mayApply()) return;
    if (place === 'foreign') return this.joins.want('resume');
    const handled = this.#replica!.handle(payload);
    if (!handled.ok) return this.onUnappliable(handled.cause, position);
    this.#takeInto(entry);
  }

  onAcks(acks: readonly Ack[]): void {
    for (const { version, ...entry } of acks) {
      this.tracker.hear(entry.position);
      if (this.outgoing.queue.has(version)) this.#onOwn(version, entry);
      else if (this.#replica && version > this.#replica.versionsBefore) this.#takeInto(entry);
      // Acked, but made by an earlier document: its content is missing here.
      else if (this.#mayApply() && ['next', 'gap'].includes(this.tracker.place(entry)))
        this.joins.want('resume');
    }
  }

  onAwareness({ payload }: ProtocolMessageEvent): void {
    // What cannot be read is dropped: the next state of that client replaces it anyway.
    if (this.#replica?.awareness) this.#replica.handle(payload);
  }

  onAuth({ payload }: ProtocolMessageEvent): void {
    const handled = this.#replica?.handle(payload);
    if (!handled?.ok || handled.permissionDenied === undefined) return;
    const message = handled.permissionDenied;
    this.context.emit('permission-denied', { ...this.ref, code: 'PERMISSION_DENIED', message });
  }

  onControl({ position, previous, payload }: ProtocolMessageEvent): void {
    if (position === undefined || previous === undefined || this.#halt) return;
    this.tracker.hear(position);
    const content = payload.subarray(1); // the control type is one byte
    const control = tryDecodeControl(content);
    const generation = this.tracker.generation;
    if (control.ok && control.value.op === 'barrier' && generation !== undefined) {
      if (position.generation > generation) return this.#onBarrier(position);
    }
    if (this.tracker.place({ position, previous }) === 'next') this.tracker.take({ position, previous });
  }

  onState(head: StateHead, payload: Uint8Array): void {
    if (!this.#halt) this.#intake.onState(head, payload);
  }

  onProgress(receivedBytes: number): void {
    this.joins.progress();
    this.context.emit('progress', { ...this.ref, receivedBytes, totalBytes: this.#stateBytes });
  }

  onNack(nack: Nack): void {
    const { version, code } = nack;
    if (nack.position) this.tracker.hear(nack.position);
    if (this.#halt) return;
    if (code === 'GENERATION_CHANGED') return this.#onGenerationChanged(nack);
    if (code === 'NOT_JOINED') this.#joinAgain();
    if (version === undefined || version === 0) return this.#onOtherNack(nack);
    if (!this.outgoing.queue.has(version)) return;
    if (!nack.permanent) return this.outgoing.sendAgain({ ...nack, version });
    // Refused in this attempt: a full state shows whether an earlier one has reached the log.
    this.refused.set(version, nack);
    this.joins.want('uncut');
  }

  /** The document takes content that is known to belong to it; what it throws is reported, not thrown. */
  apply(update: Uint8Array): boolean {
    if (!this.#replica || isEmptyUpdate(update)) return true;
    const handled = this.#replica.handle(encodeSyncPayload(SyncMessageType.Update, update));
    if (!handled.ok) this.onUnappliable(handled.cause, undefined);
    return handled.ok;
  }

  /** Content that the document cannot take: reported, and synced again unless that has failed too often. */
  onUnappliable(error: unknown, position: Position | undefined): void {
    const { emit } = this.context;
    if (this.#replica?.isTrap(error)) return this.#onTrap(error, position);
    const final = !this.#intake.mayTryAgain();
    emit('update-failed', { ...this.ref, position, error, final });
    this.tracker.reset();
    if (final) this.#stopWith('unreadable');
    else this.joins.wantLater('uncut');
  }

  settle(version: number, position: Position): void {
    this.context.emit('acked', { ...this.ref, version, position });
    this.refused.delete(version);
  }

  /** A state has been applied: from here on this document sends, and is sent, what happens. */
  becameLive(): void {
    this.#isLive = true;
    this.#wasSynced = true;
    if (this.#isReadOnly && this.outgoing.queue.hasWaiting) this.#reportReadOnly();
    this.outgoing.flush();
    this.#replica?.awareness?.announce();
    this.joins.succeeded();
    if (this.tracker.hasGap) this.#repairLater();
    this.noteUnacked();
    if (!this.joins.isActive) this.#setSynced(true);
    this.#checkDrained();
  }

  /** The server has another document than this one; the application, or `recreate`, makes a new one. */
  replace(reason: DocumentReplacedEvent['reason'], state: Uint8Array, position: Position | undefined): void {
    const unacked = this.outgoing.queue.drop();
    if (position) this.tracker.hearInstead(position);
    this.refused.clear();
    this.joins.cancel();
    const fresh = position && this.#replica && this.#attached.recreate?.();
    if (fresh) {
      this.#useDocument(fresh);
      this.tracker.restart(position.generation);
      if (this.apply(state)) this.tracker.set(position);
    } else this.#stopWith('replaced');
    const document = fresh?.document;
    this.context.emit('document-replaced', { ...this.ref, reason, state, position, unacked, document });
    if (fresh && this.tracker.position) this.becameLive();
    this.noteUnacked();
    this.#checkDrained();
  }

  noteUnacked(): void {
    const hasUnackedChanges = this.hasUnackedChanges;
    if (hasUnackedChanges === this.#hadUnacked) return;
    this.#hadUnacked = hasUnackedChanges;
    this.context.emit('unacked-changes', { ...this.ref, hasUnackedChanges });
  }

  #mayApply(): boolean {
    return this.#replica !== undefined && this.#halt === undefined;
  }

  #useDocument(adapter: DocumentAdapter): void {
    this.#replica?.detach();
    this.#wasSynced = false;
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
    if (this.#isReadOnly && this.#isLive) this.#reportReadOnly();
    this.noteUnacked();
  }

  #reportReadOnly(): void {
    const message = 'You may read this document but not change it.';
    this.context.emit('permission-denied', { ...this.ref, code: 'READ_ONLY', message });
  }

  /** The ack of a version that is held: its content is in the document already. */
  #onOwn(version: number, entry: Place): void {
    this.outgoing.settle(version);
    this.settle(version, entry.position);
    if (this.#mayApply()) this.#takeInto(entry);
    this.noteUnacked();
    this.#checkDrained();
  }

  /** The content of this entry is in the document: move over it, or repair what is missing before it. */
  #takeInto(entry: Place): void {
    const place = this.tracker.place(entry);
    if (place === 'stale' || place === 'known') return;
    if (place !== 'foreign') this.tracker.take(entry);
    if ((place === 'gap' || place === 'foreign') && !this.joins.isActive) this.joins.want('resume');
  }

  #repairLater(): void {
    this.#gapPatience.set(GAP_PATIENCE_MS, () => {
      if (this.tracker.hasGap && !this.joins.isActive) this.joins.want('resume');
    });
  }

  #joinRequest(kind: JoinKind): JoinRequest {
    const { heard, position } = this.tracker;
    return {
      ...this.context.address,
      senderId: this.context.senderId,
      ...(heard ? { heard } : {}),
      ...(kind === 'resume' && position ? { position } : {}),
      ...(kind !== 'uncut' && this.#replica ? this.#stateVector(this.#replica) : {}),
    };
  }

  #stateVector(replica: Replica): { stateVector?: Uint8Array } {
    try {
      return { stateVector: replica.adapter.encodeStateVector() };
    } catch (error) {
      this.onUnappliable(error, undefined);
      return {};
    }
  }

  /** A barrier stands for the empty state of its generation, whatever came before it. */
  #onBarrier(position: Position): void {
    const isUntouched = this.outgoing.queue.isEmpty && this.#replica?.isEmpty() !== false;
    if (!isUntouched) return this.replace('generation', EMPTY_UPDATE, position);
    this.tracker.set(position);
    this.joins.cancel();
    this.becameLive();
  }

  #onGenerationChanged({ position }: Nack): void {
    const { generation } = this.tracker;
    if (!position) return this.joins.want('uncut');
    if (generation !== undefined && position.generation <= generation) return;
    this.#onBarrier(position);
    // The nack may have come after entries that were passed over because the barrier was not known.
    if (!this.#halt) this.joins.want('resume');
  }

  #joinAgain(): void {
    this.#isLive = false;
    this.joins.want('resume');
  }

  #onOtherNack({ code, message, permanent }: Nack): void {
    if (code === 'FOREIGN_AWARENESS' || (code === 'BAD_AWARENESS' && !permanent)) this.#announceLater();
    if (!PERMISSION_CODES.includes(code)) return;
    this.context.emit('permission-denied', { ...this.ref, code, message });
  }

  /** An earlier connection of this client may still own its awareness id for a moment. */
  #announceLater(): void {
    this.context.environment.setTimeout(() => {
      if (this.#isLive) this.#replica?.awareness?.announce();
    }, GAP_PATIENCE_MS);
  }

  #onJoinRefused({ code, message }: Refusal): void {
    this.#stopWith('refused');
    if (PERMISSION_CODES.includes(code)) {
      this.context.emit('permission-denied', { ...this.ref, code, message });
    }
    this.context.emit('join-refused', { ...this.ref, code, message });
    if (code === 'DOCUMENT_DELETED') this.replace('deleted', EMPTY_UPDATE, undefined);
    else if (!this.#replica) this.outgoing.queue.drop();
    this.#checkDrained();
  }

  /** Every later call on this WASM instance fails too: what was not acked is kept for the document that comes. */
  #onTrap(error: unknown, position: Position | undefined): void {
    const { emit } = this.context;
    this.#replica?.detach();
    emit('update-failed', { ...this.ref, position, error, final: false });
    const fresh = this.#intake.mayTryAgain() ? this.#attached.recreate?.() : undefined;
    if (fresh) this.attach(fresh, this.#attached);
    else this.#stopWith('trapped');
    emit('document-trapped', { ...this.ref, error, document: fresh?.document });
  }

  #stopWith(reason: HaltReason): void {
    this.#halt = reason;
    this.joins.cancel();
    this.#setSynced(false);
  }

  #setSynced(state: boolean): void {
    if (state === this.#isSynced) return;
    this.#isSynced = state;
    this.context.emit('synced', { ...this.ref, state });
  }

  #checkDrained(): void {
    if (!this.#replica && this.outgoing.queue.isEmpty) this.context.onDrained();
  }
}
