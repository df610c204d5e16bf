import type { Ack, Nack, Position, StateHead } from '../protocol/index.ts';
import type { ProtocolMessageEvent } from './connection-events.ts';
import type { AttachOptions, HaltReason } from './attach-options.ts';
import type { DocumentAdapter } from './document-adapter.ts';
import { DocumentSession } from './document-session.ts';
import { EntryIntake } from './entry-intake.ts';
import type { DocumentRef } from './events.ts';
import { NackIntake } from './nack-intake.ts';
import type { ProcessingContext } from './processing-context.ts';
import { StateIntake } from './state-intake.ts';

/**
 * Sync, awareness, auth and control of one document. Without a document (removed, with updates still on their
 * way) it goes on until those are settled.
 */
export class ProtocolProcessing {
  readonly context: ProcessingContext;
  readonly #session: DocumentSession;
  readonly #entries: EntryIntake;
  readonly #nacks: NackIntake;
  readonly #states: StateIntake;

  constructor(context: ProcessingContext) {
    this.context = context;
    this.#session = new DocumentSession(context);
    this.#entries = new EntryIntake(this.#session);
    this.#nacks = new NackIntake(this.#session, this.#entries);
    this.#states = new StateIntake(this.#session);
  }

  get ref(): DocumentRef {
    return this.#session.ref;
  }

  /** True while everything that was in the log at the last join is in the document, and the connection stands. */
  get isSynced(): boolean {
    return this.#session.course.isSynced;
  }

  get isReadOnly(): boolean {
    return this.#session.right.isReadOnly;
  }

  get halted(): HaltReason | undefined {
    return this.#session.halted;
  }

  /** Everything up to here is in the document; undefined before the first state. */
  get position(): Position | undefined {
    return this.#session.tracker.position;
  }

  /** True unless the server is known to have everything that is in the document. */
  get hasUnackedChanges(): boolean {
    return this.#session.hasUnackedChanges;
  }

  /** The highest version given to an update so far. */
  get lastVersion(): number {
    return this.#session.outgoing.queue.lastVersion;
  }

  /** Takes a document, the first or another one after a removal, a replacement or a trap. */
  attach(adapter: DocumentAdapter, options: AttachOptions = {}): void {
    this.#session.attach(adapter, options);
  }

  /** Lets go of the document; what is not settled is still sent, then the context's `onDrained` is called. */
  detach(): void {
    this.#session.detach();
  }

  /** Ends at once. */
  stop(): void {
    this.#session.stop();
  }

  /** Takes the awareness away from the others. */
  farewell(): void {
    this.#session.farewell();
  }

  connected(): void {
    this.#session.connected();
  }

  disconnected(): void {
    this.#session.disconnected();
  }

  onSync(event: ProtocolMessageEvent): void {
    this.#entries.onSync(event);
  }

  onAcks(acks: readonly Ack[]): void {
    this.#entries.onAcks(acks);
  }

  onControl(event: ProtocolMessageEvent): void {
    this.#entries.onControl(event);
  }

  onAwareness({ payload }: ProtocolMessageEvent): void {
    // What cannot be read is dropped: the next state of that client replaces it anyway.
    if (this.#session.replica?.awareness) this.#session.replica.handle(payload);
  }

  onAuth({ payload }: ProtocolMessageEvent): void {
    const { replica, ref } = this.#session;
    const handled = replica?.handle(payload);
    if (!handled?.ok || handled.permissionDenied === undefined) return;
    const message = handled.permissionDenied;
    this.context.emit('permission-denied', { ...ref, code: 'PERMISSION_DENIED', message });
  }

  onState(head: StateHead, payload: Uint8Array): void {
    if (!this.#session.halted) this.#states.onState(head, payload);
  }

  onNack(nack: Nack): void {
    this.#nacks.onNack(nack);
  }

  onProgress(receivedBytes: number): void {
    const { course, ref } = this.#session;
    course.joins.progress();
    this.context.emit('progress', { ...ref, receivedBytes, totalBytes: course.stateBytes });
  }
}
