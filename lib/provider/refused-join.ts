import type { NackCode, Refusal } from '../protocol/index.ts';
import type { DocumentSession } from './document-session.ts';
import { Alarm } from './environment.ts';

/** A document that is refused with one of these is out of this user's reach, until rights change. */
const PERMISSION_CODES: ReadonlySet<NackCode> = new Set<NackCode>([
  'PERMISSION_DENIED',
  'READ_ONLY',
  'UNAUTHENTICATED',
]);
/** A change may concern everybody of a room: those whom it lets in come within so many milliseconds, not at once. */
const AGAIN_WITHIN_MS = 1_000;

export function isAboutPermission(code: NackCode): boolean {
  return PERMISSION_CODES.has(code);
}

/** A join that the server refuses for good: what the application hears of it, and what brings the document back. */
export class RefusedJoin {
  readonly #session: DocumentSession;
  readonly #again: Alarm;
  /** Why, as the application has been told. */
  #code: NackCode | undefined;

  constructor(session: DocumentSession) {
    this.#session = session;
    this.#again = new Alarm(session.context.environment);
  }

  /** Permanent: no further attempt on this connection, unless rights change. The same reason is told once. */
  onRefused({ code, message }: Refusal): void {
    const { context, ref, replica, outgoing, recovery } = this.#session;
    const isTold = code === this.#code;
    this.#code = code;
    this.#session.halt('refused');
    // Nobody would tell of their leaving.
    replica?.awareness?.forgetOthers();
    if (!isTold) {
      if (isAboutPermission(code)) context.emit('permission-denied', { ...ref, code, message });
      context.emit('join-refused', { ...ref, code, message });
    }
    if (code === 'DOCUMENT_DELETED') recovery.remove(undefined);
    else if (!replica) outgoing.queue.drop();
    this.#session.checkDrained();
  }

  /** A right may have been given: joins once more what was refused for lack of one. */
  onAccessChanged(): void {
    if (!this.#code || !isAboutPermission(this.#code) || this.#again.isSet) return;
    const delayMs = this.#session.context.environment.random() * AGAIN_WITHIN_MS;
    this.#again.set(delayMs, () => this.#session.beginAgain());
  }

  /** The document has been let in, or is another one, or the connection has gone. */
  forget(): void {
    this.#code = undefined;
    this.#again.clear();
  }
}
