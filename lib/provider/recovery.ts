import { encodeSyncPayload, SyncMessageType, type Position, type UpdateFlaw } from '../protocol/index.ts';
import type { DocumentSession } from './document-session.ts';
import type { DocumentReplacedEvent } from './events.ts';
import { holdsMore, isLike, newcomerOf } from './newcomer.ts';

/** What to do when the document cannot go on: content it cannot take, a trap, another document at the server. */
export class Recovery {
  readonly #session: DocumentSession;
  /** In a row, without a state that could be applied. */
  #failures = 0;
  /** What came in since the document threw at something, of which it may hold a part. Undefined when it did not. */
  #since: Uint8Array[] | undefined;

  constructor(session: DocumentSession) {
    this.#session = session;
  }

  /** A new connection, or a state that has been applied. */
  begin(): void {
    this.#failures = 0;
  }

  /** True while the document may hold a part of an update: nothing is sent that may build on it. */
  get isSuspect(): boolean {
    return this.#since !== undefined;
  }

  /** The document is another one, or about to be let go. */
  trust(): void {
    this.#since = undefined;
  }

  /** Content that the document has, beside that of the next state. */
  note(...updates: Uint8Array[]): void {
    this.#since?.push(...updates);
  }

  /**
   * Takes in a whole state after the document threw at something. False when it cannot go on as it is: Yjs does not
   * take back what it had done when it threw, so what a newcomer gets is the measure. A document that differs from
   * that is replaced, as one whose WASM instance has trapped.
   */
  takeAfterThrow(state: Uint8Array, position: Position): boolean {
    const replica = this.#session.replica!;
    const newcomer = newcomerOf([state, ...this.#since!, ...this.#session.outgoing.queue.updates()]);
    if (!newcomer) {
      this.#fail(new Error('Nobody can apply the state of the server.'), position);
      return false;
    }
    const handled = replica.handle(encodeSyncPayload(SyncMessageType.Update, state));
    const isDamaged = handled.ok ? !isLike(replica.adapter, newcomer) : holdsMore(replica.adapter, newcomer);
    newcomer.destroy();
    if (isDamaged) this.#onTrap(new Error('The document holds a part of an update.'), position);
    else if (!handled.ok) this.onUnappliable(handled.cause, position);
    else this.trust();
    return handled.ok && !isDamaged;
  }

  /**
   * Content that nobody can take, and that has not been tried on the document. It comes once, so it is no failure of
   * a sync: however many there are in the log, a state will do.
   */
  onFlawed(flaw: UpdateFlaw, position: Position): void {
    const { context, ref, tracker, joins } = this.#session;
    context.emit('update-failed', {
      ...ref,
      position,
      error: new Error(`The update is ${flaw}.`),
      final: false,
    });
    tracker.reset();
    joins.wantLater('uncut');
  }

  /** Content that the document threw at: reported, and synced again unless that has failed too often. */
  onUnappliable(error: unknown, position: Position | undefined): void {
    if (this.#session.replica?.isTrap(error)) return this.#onTrap(error, position);
    this.#since ??= [];
    this.#fail(error, position);
  }

  #fail(error: unknown, position: Position | undefined): void {
    const { context, ref, tracker, joins } = this.#session;
    const final = !this.#mayTryAgain();
    context.emit('update-failed', { ...ref, position, error, final });
    tracker.reset();
    if (final) this.#session.halt('unreadable');
    else joins.wantLater('uncut');
  }

  /** The server has another document than this one; the application, or `recreate`, makes a new one. */
  replace(reason: DocumentReplacedEvent['reason'], state: Uint8Array, position: Position | undefined): void {
    const { outgoing, tracker, refused, joins, context, ref, replica, attached } = this.#session;
    const unacked = outgoing.queue.drop();
    if (position) tracker.hear(position);
    refused.clear();
    joins.cancel();
    const fresh = position && replica && attached.recreate?.();
    if (fresh) {
      this.#session.useDocument(fresh);
      tracker.restart(position.generation);
      if (this.#session.apply(state)) tracker.set(position);
    } else this.#session.halt('replaced');
    const document = fresh?.document;
    context.emit('document-replaced', { ...ref, reason, state, position, unacked, document });
    if (fresh && tracker.position) this.#session.course.becameLive();
    this.#session.noteUnacked();
    this.#session.checkDrained();
  }

  /** The document exists no more at the server: nothing of it is sent again, whatever happens to the connection. */
  remove(position: Position | undefined): void {
    const { outgoing, tracker, refused, context, ref } = this.#session;
    const unacked = outgoing.queue.drop();
    if (position) tracker.hear(position);
    refused.clear();
    this.#session.halt('deleted');
    context.emit('document-deleted', { ...ref, position, unacked });
    this.#session.noteUnacked();
    this.#session.checkDrained();
  }

  /** Every later call on this WASM instance fails too: what was not acked is kept for the document that comes. */
  #onTrap(error: unknown, position: Position | undefined): void {
    const { replica, context, ref, attached, joins } = this.#session;
    replica?.detach();
    context.emit('update-failed', { ...ref, position, error, final: false });
    const fresh = this.#mayTryAgain() ? attached.recreate?.() : undefined;
    if (fresh) {
      this.#session.attach(fresh, attached);
      // Not at once: what trapped may be in the next state too, unless the server has set it aside meanwhile.
      joins.cancel();
      joins.wantLater('full');
    } else this.#session.halt('trapped');
    context.emit('document-trapped', { ...ref, error, document: fresh?.document });
  }

  #mayTryAgain(): boolean {
    return ++this.#failures <= this.#session.context.tuning.maxSyncFailures;
  }
}
