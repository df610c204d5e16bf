import type { Nack } from '../protocol/index.ts';
import type { DocumentSession } from './document-session.ts';
import type { EntryIntake } from './entry-intake.ts';
import { isAboutPermission } from './refused-join.ts';

/** Milliseconds after which the own awareness is shown again when its client id still belonged to another connection. */
const ANNOUNCE_AGAIN_MS = 1000;

/** What the server does not do: refused updates and awareness, documents that are out of reach. */
export class NackIntake {
  readonly #session: DocumentSession;
  readonly #entries: EntryIntake;

  constructor(session: DocumentSession, entries: EntryIntake) {
    this.#session = session;
    this.#entries = entries;
  }

  onNack(nack: Nack): void {
    const { version, code, position } = nack;
    const { tracker, outgoing, halted, refusal } = this.#session;
    if (position) tracker.hear(position);
    if (halted === 'refused' && code === 'ACCESS_CHANGED') refusal.onAccessChanged();
    if (halted) return;
    if (code === 'GENERATION_CHANGED') return this.#onGenerationChanged(nack);
    // Also with a version it speaks of the document, not of that update.
    if (code === 'DOCUMENT_DELETED') return this.#session.recovery.remove(position);
    // Rights that have changed: the next join tells what is left of them.
    if (code === 'NOT_JOINED' || code === 'ACCESS_CHANGED') this.#session.course.joinAgain();
    if (version === undefined || version === 0) return this.#onOther(nack);
    if (!outgoing.queue.has(version)) return;
    if (!nack.permanent) return outgoing.sendAgain({ ...nack, version });
    this.#session.refuse({ ...nack, version });
  }

  /** It means the barrier, never a refusal of the update. */
  #onGenerationChanged({ position }: Nack): void {
    const { joins } = this.#session;
    if (!position) return joins.want('uncut');
    // The nack may come after entries that were passed over because the barrier was not known.
    if (this.#entries.onBarrier(position) && !this.#session.halted) joins.want('resume');
  }

  /** About no update: awareness, or the document as a whole. */
  #onOther(nack: Nack): void {
    const { code, message } = nack;
    const { context, ref, refusal } = this.#session;
    // The access has been taken away while the document was open.
    if (code === 'PERMISSION_DENIED') return refusal.onRefused({ ...nack, ok: false });
    // An earlier connection of this client may own its awareness id for a moment longer.
    if (code === 'FOREIGN_AWARENESS') {
      context.environment.setTimeout(() => {
        if (this.#session.isLive) this.#session.replica?.awareness?.announce();
      }, ANNOUNCE_AGAIN_MS);
    }
    if (isAboutPermission(code)) context.emit('permission-denied', { ...ref, code, message });
  }
}
