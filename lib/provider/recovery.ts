import type { Position } from '../protocol/index.ts';
import type { DocumentSession } from './document-session.ts';
import type { DocumentReplacedEvent } from './events.ts';

/** What to do when the document cannot go on: content it cannot take, a trap, another document at the server. */
export class Recovery {
  readonly #session: DocumentSession;
  /** In a row, without a state that could be applied. */
  #failures = 0;

  constructor(session: DocumentSession) {
    this.#session = session;
  }

  /** A new connection, or a state that has been applied. */
  begin(): void {
    this.#failures = 0;
  }

  /** Content that the document cannot take: reported, and synced again unless that has failed too often. */
  onUnappliable(error: unknown, position: Position | undefined): void {
    const { replica, context, ref, tracker, joins } = this.#session;
    if (replica?.isTrap(error)) return this.#onTrap(error, position);
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
    if (position) tracker.hearInstead(position);
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
    if (fresh && tracker.position) this.#session.becameLive();
    this.#session.noteUnacked();
    this.#session.checkDrained();
  }

  /** The document exists no more at the server: nothing of it is sent again, whatever happens to the connection. */
  remove(position: Position | undefined): void {
    const { outgoing, tracker, refused, context, ref } = this.#session;
    const unacked = outgoing.queue.drop();
    if (position) tracker.hearInstead(position);
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
