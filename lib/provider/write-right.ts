import { NACK_CODES } from '../protocol/index.ts';
import { Backoff } from './backoff.ts';
import type { DocumentSession } from './document-session.ts';
import { Alarm } from './environment.ts';

const MESSAGE = NACK_CODES.READ_ONLY.message;
/** A document that is changed again as soon as it is given back, by an editor that cannot do otherwise, is given back less often. */
const MIN_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 60_000;
/** Without a change for so long it is given back at once again. */
const CALM_MS = 60_000;

/**
 * Whether the server takes updates of the document, and what becomes of those that it does not take: they are given
 * back with the server's state (`document-replaced`), so that no document looks like the others' and is not.
 */
export class WriteRight {
  readonly #session: DocumentSession;
  readonly #pause: Alarm;
  readonly #backoff: Backoff;
  #isReadOnly = false;
  #isTold = false;
  #changedAt = -Infinity;

  constructor(session: DocumentSession) {
    this.#session = session;
    const { environment } = session.context;
    this.#pause = new Alarm(environment);
    const { random } = environment;
    this.#backoff = new Backoff({ minMs: MIN_PAUSE_MS, maxMs: MAX_PAUSE_MS, random });
  }

  /** What the last accepted join has said. */
  get isReadOnly(): boolean {
    return this.#isReadOnly;
  }

  /** True while something waits that the server will not take. */
  get refusesWaiting(): boolean {
    return this.#isReadOnly && this.#session.outgoing.queue.hasWaiting;
  }

  /** From the answer of a join: before its state, and so before anybody can type into it. */
  learn(isReadOnly: boolean): void {
    if (isReadOnly === this.#isReadOnly) return;
    this.#isReadOnly = isReadOnly;
    const { context, ref } = this.#session;
    if (!isReadOnly) this.restart();
    context.emit('read-only', { ...ref, isReadOnly });
  }

  /** The document is another one, or may be written. */
  restart(): void {
    this.#isTold = false;
    this.#pause.clear();
  }

  /** A join is complete. What was on its way when the right ended is refused like what has no version yet. */
  onLive(): void {
    if (!this.#isReadOnly) return;
    const { outgoing, refused } = this.#session;
    const unsent = outgoing.queue.unsent().filter(({ version }) => !refused.has(version));
    // Once each: every refusal asks for a whole state, and its answer comes here again.
    this.#session.refuse(
      ...unsent.map(
        ({ version }) => ({ version, code: 'READ_ONLY', message: MESSAGE, permanent: true }) as const,
      ),
    );
    this.onWaiting();
  }

  /** Something may wait now: it is said, and the state of the server asked for, with which it is given back. */
  onWaiting(): void {
    if (!this.refusesWaiting || !this.#session.isLive) return;
    const { context, ref } = this.#session;
    if (!this.#isTold) context.emit('permission-denied', { ...ref, code: 'READ_ONLY', message: MESSAGE });
    this.#isTold = true;
    // A join that is under way comes back here, or gives it back.
    if (this.#pause.isSet || this.#session.joins.isActive) return;
    const now = context.environment.now();
    const isCalm = now - this.#changedAt > CALM_MS;
    this.#changedAt = now;
    if (isCalm) {
      this.#backoff.reset();
      this.#session.joins.want('uncut');
    } else
      this.#pause.set(this.#backoff.nextMs(), () => {
        if (this.refusesWaiting) this.#session.joins.want('uncut');
      });
  }
}
