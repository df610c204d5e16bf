import { isComparable, tryDecodeSync, type Position, type StateHead } from '../protocol/index.ts';
import type { JoinAttempt } from './join-cycle.ts';
import { lackingUpdate, type ServerKnowledge } from './lacking.ts';
import type { DocumentSession } from './document-session.ts';

interface State {
  head: StateHead;
  /** The merged updates. */
  update: Uint8Array;
}

type ServerState = Omit<ServerKnowledge, 'queued'>;

/** What a state frame means for a document: settle, compare, apply, upload what the server lacks. */
export class StateIntake {
  readonly #session: DocumentSession;

  constructor(session: DocumentSession) {
    this.#session = session;
  }

  onState(head: StateHead, payload: Uint8Array): void {
    const { joins, tracker } = this.#session;
    const attempt = head.join === 0 ? undefined : joins.take(head.join);
    tracker.hear(head.position);
    if (head.join !== 0 && !attempt) {
      // Of a join that was given up. The gateway goes on behind this state: if no later join is on its way, one has to be.
      if (!joins.isActive) joins.want('resume');
      return;
    }
    // The payload is a SyncStep2 behind its message type, which is one byte.
    const sync = tryDecodeSync(payload.subarray(1));
    if (!sync.ok) return this.#session.recovery.onUnappliable(sync.failure, head.position);
    const state: State = { head, update: sync.value.body };
    this.#settle(head);
    if (attempt) return this.#onJoined(attempt, state);
    this.#onResumed(state);
    joins.overtaken();
  }

  /** Exactly the versions that are named, and no others. Some may be among the entries that follow right behind. */
  #settle({ appended, position: { offset, ...line }, through = offset }: StateHead): void {
    const position = { ...line, offset: Math.max(offset, through) };
    if (this.#session.recovery.isSuspect)
      this.#session.recovery.note(...this.#session.outgoing.queue.updates());
    for (const version of this.#session.outgoing.settleAll(appended)) {
      this.#session.settled(version, position);
    }
  }

  /** The gateway dropped its queue and goes on from the position it had sent last. */
  #onResumed({ head, update }: State): void {
    const { tracker, joins } = this.#session;
    if (tracker.generation !== undefined && head.position.generation !== tracker.generation) {
      return joins.want('resume');
    }
    if (!this.#session.apply(update)) return;
    this.#session.upload.note(update);
    this.#session.recovery.note(update);
    // While something is missing before that position, the join on its way says where this document stands.
    const isWhole = head.kind === 'full' || (!joins.isActive && !tracker.hasGap);
    if (isWhole && isAhead(head.position, tracker.position)) tracker.set(head.position);
    this.#session.course.moved();
    this.#session.noteUnacked();
  }

  #onJoined(attempt: JoinAttempt, state: State): void {
    const { tracker, joins, replica, refused, right, outgoing } = this.#session;
    const { position } = state.head;
    if (tracker.generation !== undefined && position.generation !== tracker.generation) {
      return this.#onOtherGeneration(attempt, state);
    }
    // Refused, and not in the log: the document has content that the server will never have.
    if (this.#session.holdsRefused && attempt.kind === 'uncut' && !joins.hasNext)
      return this.#onRefused(state);
    if (refused.size > 0) joins.want('uncut');
    const { recovery } = this.#session;
    if (recovery.isSuspect) {
      if (attempt.kind !== 'uncut') {
        joins.want('uncut');
        return joins.succeeded();
      }
      if (!recovery.takeAfterThrow(state.update, position)) return;
    }
    const server = this.#comparable(attempt, state);
    if (this.#isOfUnknownGeneration(position, server)) {
      if (attempt.kind === 'uncut')
        return this.#session.recovery.replace('generation', state.update, position);
      joins.want('uncut');
      return joins.succeeded();
    }
    if (!this.#session.apply(state.update)) return;
    this.#moveTo(attempt, state.head);
    // The document has what waits: of that only what the server lacks is refused.
    if (server && right.refusesWaiting) outgoing.queue.dropWaiting();
    if (server && replica) this.#session.upload.begin(replica.adapter, server);
    this.#session.course.becameLive(state.head.through);
  }

  /** A copy that does not know its generation goes only into a document that never had a barrier. */
  #isOfUnknownGeneration(position: Position, server: ServerState | undefined): boolean {
    const { tracker, outgoing, replica } = this.#session;
    if (tracker.generation !== undefined || position.generation === 1) return false;
    if (!outgoing.queue.isEmpty) return true;
    if (!server || !replica) return false;
    try {
      return lackingUpdate(replica.adapter, { ...server, queued: [] }) !== undefined;
    } catch {
      return false; // what cannot be read cannot be applied either, and that is reported
    }
  }

  #onOtherGeneration(attempt: JoinAttempt, { head, update }: State): void {
    const { tracker, joins } = this.#session;
    const isOlder = head.position.generation < tracker.generation!;
    // Asked before a barrier came, and answered from before it.
    if (isOlder && attempt.heard && head.position.generation >= attempt.heard.generation) {
      joins.wantLater('resume');
      return;
    }
    const { isUntouched } = this.#session;
    if (!isUntouched && attempt.kind !== 'uncut') {
      joins.want('uncut');
      return joins.succeeded();
    }
    if (!isUntouched) {
      // Asked with what was heard of, and answered from before it: the server has lost its log.
      if (attempt.heard && attempt.heard.generation > head.position.generation)
        tracker.hearInstead(head.position);
      return this.#session.recovery.replace('generation', update, head.position);
    }
    tracker.restart(head.position.generation);
    if (!this.#session.apply(update)) return;
    this.#moveTo(attempt, head);
    this.#session.course.becameLive(head.through);
  }

  #onRefused({ head, update }: State): void {
    const { refused, outgoing, upload, context, ref } = this.#session;
    // What it had before it was joined is given back with the rest.
    upload.finish();
    for (const [version, { code, message }] of refused) {
      const entry = outgoing.queue.get(version);
      if (!entry) continue;
      context.emit('update-refused', { ...ref, version, code, message, update: entry.update });
      if (code === 'READ_ONLY' || code === 'PERMISSION_DENIED') {
        context.emit('permission-denied', { ...ref, version, code, message });
      }
    }
    this.#session.recovery.replace('refused', update, head.position);
  }

  /** Only a whole state can be compared, with the state vector of the answer; an empty document needs no comparison. */
  #comparable(attempt: JoinAttempt, { head, update }: State): ServerState | undefined {
    const { replica } = this.#session;
    const stateVector = attempt.accepted?.stateVector;
    if (head.kind !== 'full' || !stateVector || !replica || replica.isEmpty()) return undefined;
    return { stateVector, state: update };
  }

  /** Live entries may have come further than the state; only a server that lost its log takes a client back. */
  #moveTo({ heard }: JoinAttempt, { kind, position }: StateHead): void {
    const { tracker } = this.#session;
    // A delta begins where the request stood; that of a gateway's ring ends there as well, and the entries follow.
    const isLost =
      kind === 'full' && heard && isComparable(heard, position) && position.offset < heard.offset;
    if (isLost) {
      tracker.restart(position.generation);
      tracker.hearInstead(position);
    }
    if (isAhead(position, tracker.position)) tracker.set(position);
  }
}

function isAhead(position: Position, own: Position | undefined): boolean {
  return !own || !isComparable(position, own) || position.offset >= own.offset;
}
