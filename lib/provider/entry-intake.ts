import {
  exactBytes,
  findUpdateFlaw,
  tryDecodeControl,
  tryDecodeSync,
  type Ack,
  type Position,
} from '../protocol/index.ts';
import type { ProtocolMessageEvent } from './connection-events.ts';
import type { DocumentSession } from './document-session.ts';
import type { Place } from './position-tracker.ts';

const EMPTY_UPDATE = new Uint8Array([0, 0]);

/** What the log delivers live: entries of others, entries and acks of the own updates, barriers. */
export class EntryIntake {
  readonly #session: DocumentSession;

  constructor(session: DocumentSession) {
    this.#session = session;
  }

  onSync(event: ProtocolMessageEvent): void {
    const entry = placeOf(event);
    if (!entry) return;
    const { tracker, joins, outgoing, context } = this.#session;
    tracker.hear(entry.position);
    const { senderId, version } = event.metadata;
    // Only a version that is held: another own entry may be of an earlier document, and is applied like any other.
    if (senderId === context.senderId && outgoing.queue.has(version)) return this.#onOwn(version, entry);
    const place = tracker.place(entry);
    if (place === 'stale' || place === 'known' || !this.#session.mayApply) return;
    if (place === 'foreign') return joins.want('resume');
    const { recovery, replica, upload } = this.#session;
    const sync = tryDecodeSync(event.payload.subarray(1)); // the message type is one byte
    const update = sync.ok ? exactBytes(sync.value.body) : undefined;
    // Looked at first: what makes Yjs throw makes it keep a part of it, in a document that an editor is bound to.
    const flaw = update && findUpdateFlaw(update);
    if (flaw) return recovery.onFlawed(flaw, entry.position);
    const handled = replica!.handle(event.payload);
    if (!handled.ok) return recovery.onUnappliable(handled.cause, entry.position);
    if (update) {
      upload.note(update);
      recovery.note(update);
    }
    this.#takeInto(entry);
  }

  onAcks(acks: readonly Ack[]): void {
    const { tracker, joins, outgoing } = this.#session;
    for (const { version, ...entry } of acks) {
      tracker.hear(entry.position);
      if (outgoing.queue.has(version)) this.#onOwn(version, entry);
      else if (!this.#session.mayApply) continue;
      else if (version > this.#session.replica!.versionsBefore) this.#takeInto(entry);
      // Acked, but made by an earlier document: its content is missing in this one.
      else if (['next', 'gap'].includes(tracker.place(entry))) joins.want('resume');
    }
  }

  onControl(event: ProtocolMessageEvent): void {
    const entry = placeOf(event);
    const { tracker, halted } = this.#session;
    if (!entry || halted) return;
    tracker.hear(entry.position);
    const control = tryDecodeControl(event.payload.subarray(1)); // the message type is one byte
    const barrier = control.ok && control.value.op === 'barrier' ? control.value : undefined;
    if (barrier?.reason === 'deleted' && this.#isRaised(entry.position))
      return this.#session.recovery.remove(entry.position);
    if (barrier && this.onBarrier(entry.position)) return;
    if (tracker.place(entry) !== 'next') return;
    tracker.take(entry);
    this.#session.course.moved();
  }

  /**
   * A barrier stands for the empty state of its generation, whatever came before it. False when it does not raise
   * the generation (it may come twice), or when none is known yet: then it is not believed.
   */
  onBarrier(position: Position): boolean {
    const { tracker, joins } = this.#session;
    if (!this.#isRaised(position)) return false;
    if (this.#session.isUntouched) {
      joins.cancel();
      tracker.set(position);
      this.#session.course.becameLive();
    } else this.#session.recovery.replace('generation', EMPTY_UPDATE, position);
    return true;
  }

  #isRaised({ generation }: Position): boolean {
    const own = this.#session.tracker.generation;
    return own !== undefined && generation > own;
  }

  /** The ack of a version that is held: its content is in the document already. */
  #onOwn(version: number, entry: Place): void {
    const { recovery, outgoing } = this.#session;
    if (recovery.isSuspect) recovery.note(outgoing.queue.get(version)!.update);
    outgoing.settle(version);
    this.#session.settled(version, entry.position);
    if (this.#session.mayApply) this.#takeInto(entry);
    this.#session.noteUnacked();
    this.#session.checkDrained();
  }

  /** The content of this entry is in the document: move over it, or repair what is missing before it. */
  #takeInto(entry: Place): void {
    const { tracker, joins } = this.#session;
    const place = tracker.place(entry);
    if (place === 'stale' || place === 'known') return;
    if (place !== 'foreign') {
      tracker.take(entry);
      this.#session.course.moved();
    }
    if ((place === 'gap' || place === 'foreign') && !joins.isActive) joins.want('resume');
  }
}

function placeOf({ position, previous }: ProtocolMessageEvent): Place | undefined {
  return position === undefined || previous === undefined ? undefined : { position, previous };
}
