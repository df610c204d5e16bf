import { exactBytes } from '../protocol/bytes.ts';
import { tryDecodeControl, tryDecodeEnvelope } from '../protocol/envelope.ts';
import { ProtocolMessageType } from '../protocol/message-types.ts';
import type { Position } from '../protocol/position.ts';
import type { DeliveredRecord } from '../stream/port.ts';
import { RecordHeader, countHeader, ownerKey } from './record-headers.ts';
import { EntryRing, type LogEntry } from './ring.ts';
import { SeenVersions } from './seen-versions.ts';

/** What the follow made of a record, for those who wait for it. */
export type LogEvent =
  | { kind: 'entry'; entry: LogEntry }
  | { kind: 'repeat'; entry: LogEntry }
  | { kind: 'stale'; owner: string; version: number; barrier: Position | undefined };

/** A refusal that speaks of the document, with the barrier that it comes from. */
export interface Closed {
  code: 'GENERATION_CHANGED' | 'DOCUMENT_DELETED';
  position: Position | undefined;
}

interface Closing {
  position: Position;
  deleted: boolean;
  acceptsFrom: number;
}

const HEADER_BYTES = 128;

/**
 * One document as the follow sees it: which records count, in which generation, with which `previous`.
 * Epoch and generation are known from the first join answer on (design rule 14, small print); records that
 * come before it wait, bounded.
 */
export class DocumentLog {
  readonly #maxBytes: number;
  readonly #partition: number;
  #ring: EntryRing;
  #waiting: DeliveredRecord[] = [];
  #waitingBytes = 0;
  /** Through here records that waited had to be dropped, barriers maybe among them. */
  #droppedThrough = -1;
  #epoch: number | undefined;
  #generation = 1;
  #barrier: Position | undefined;
  #isDeleted = false;
  #closing: Closing | undefined;
  #lastControlOffset = -1;
  #previous: number;
  #incarnation = 0;
  readonly #seen = new SeenVersions();

  constructor(options: { maxBytes: number; partition: number; heldAfter: number }) {
    this.#maxBytes = options.maxBytes;
    this.#partition = options.partition;
    this.#ring = new EntryRing(options.maxBytes, options.heldAfter);
    this.#previous = options.heldAfter;
  }

  /** False until the first answer of the sync source. */
  get isBased(): boolean {
    return this.#epoch !== undefined;
  }

  /** True when records wait for the first answer. */
  get hasWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** The generation that the follow has reached. */
  get generation(): number {
    return this.#generation;
  }

  get epoch(): number | undefined {
    return this.#epoch;
  }

  /** Counts how often the follow has begun anew: what was asked before that is void. */
  get incarnation(): number {
    return this.#incarnation;
  }

  /**
   * False for an answer about another topic than the one that is followed, and for a first one from before what had
   * to be dropped while it was waited for: a barrier there would never be known.
   */
  fits(position: Position): boolean {
    if (this.#epoch !== undefined) return this.#epoch === position.epoch;
    return position.epoch === 0 || position.offset >= this.#droppedThrough;
  }

  /** The last barrier seen by this follow. */
  get barrier(): Position | undefined {
    return this.#barrier;
  }

  /** True between a barrier that deletes, or an answer that says so, and the barrier that makes the document again. */
  get isDeleted(): boolean {
    return this.#isDeleted;
  }

  /** Updates of a generation below this one can get no further; a comparison, for the hot path. */
  get acceptsFrom(): number {
    if (this.#closing) return this.#closing.acceptsFrom;
    return this.#isDeleted ? this.#generation + 1 : this.#generation;
  }

  /**
   * What the control topic says of a barrier that this follow will bring. It only makes the closing quick: what it
   * names counts until the follow has passed that place.
   */
  announce(position: Position, deleted: boolean): void {
    if (this.#epoch !== position.epoch || position.generation <= this.#generation) return;
    if (this.#closing && this.#closing.position.generation > position.generation) return;
    const acceptsFrom = deleted ? position.generation + 1 : position.generation;
    this.#closing = { position, deleted, acceptsFrom };
  }

  /** Why an update of this generation is refused, by what the follow and the control topic have told. */
  refusalOf(generation: number, followedThrough: number): Closed | undefined {
    const closing = this.#closing;
    // Passed, and no barrier was there: the log decides.
    if (closing && followedThrough >= closing.position.offset) this.#closing = undefined;
    if (generation >= this.acceptsFrom) return undefined;
    const { deleted, position } = this.#closing ?? { deleted: this.#isDeleted, position: this.#barrier };
    return { code: deleted ? 'DOCUMENT_DELETED' : 'GENERATION_CHANGED', position };
  }

  /** An answer must know everything up to here: what was computed before a barrier is not used after it. */
  get answerFrom(): number {
    return Math.max(this.heldAfter, this.#lastControlOffset);
  }

  /** True when a join that got this answer has nothing to join. */
  isGone({ position, deleted }: { position: Position; deleted?: true }): boolean {
    return this.#isDeleted
      ? this.#generation >= position.generation
      : deleted === true && position.generation >= this.#generation;
  }

  /** Everything after this offset is held. */
  get heldAfter(): number {
    return this.#ring.heldAfter;
  }

  /** The entries after an offset, or undefined when they are not all held (any more). */
  after(offset: number): LogEntry[] | undefined {
    return this.isBased ? this.#ring.after(offset) : undefined;
  }

  /** The follow began anew (another topic, trimmed away): nothing before is known any more. */
  reset(heldAfter: number): void {
    this.#ring = new EntryRing(this.#maxBytes, heldAfter);
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#droppedThrough = -1;
    this.#epoch = undefined;
    this.#generation = 1;
    this.#barrier = undefined;
    this.#isDeleted = false;
    this.#closing = undefined;
    this.#lastControlOffset = -1;
    this.#previous = heldAfter;
    this.#seen.clear();
    this.#incarnation++;
  }

  /**
   * The position of a join answer. Only the first one sets epoch and generation: a later one says nothing
   * about the records before it. Returns what the waiting records turn out to be.
   */
  learn(position: Position, { deleted = false }: { deleted?: boolean } = {}): LogEvent[] {
    // Without a topic there is no epoch yet (NO_EPOCH of the sync source).
    if (this.isBased || position.epoch === 0) return [];
    this.#epoch = position.epoch;
    this.#generation = position.generation;
    this.#isDeleted = deleted;
    if (deleted) this.#barrier = position;
    // What lies before the answer is in the answer; its generation is not known here.
    this.#ring.raise(position.offset);
    // Nor is it delivered by this follow: whoever stands before it has a gap, and must see it.
    this.#previous = Math.max(this.#previous, this.#ring.heldAfter);
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    return waiting.flatMap((record) => this.take(record) ?? []);
  }

  /** A record of the follow, in order. Undefined: it does not count, or waits for the first answer. */
  take(record: DeliveredRecord): LogEvent | undefined {
    const isControl = record.headers[RecordHeader.Type] === String(ProtocolMessageType.Control);
    if (isControl) this.#lastControlOffset = Math.max(this.#lastControlOffset, record.offset);
    if (!this.isBased) {
      this.#wait(record);
      return undefined;
    }
    if (record.offset <= this.#ring.heldAfter) return undefined;
    return isControl ? this.#takeControl(record) : this.#takeUpdate(record);
  }

  #wait(record: DeliveredRecord): void {
    this.#waiting.push(record);
    this.#waitingBytes += record.value.byteLength + HEADER_BYTES;
    while (this.#waitingBytes > this.#maxBytes) {
      const dropped = this.#waiting.shift()!;
      this.#waitingBytes -= dropped.value.byteLength + HEADER_BYTES;
      this.#ring.raise(dropped.offset);
      this.#droppedThrough = dropped.offset;
    }
  }

  #takeControl(record: DeliveredRecord): LogEvent | undefined {
    const envelope = tryDecodeEnvelope(record.value);
    if (!envelope.ok || envelope.value.type !== ProtocolMessageType.Control) return undefined;
    const control = tryDecodeControl(envelope.value.content);
    if (!control.ok || control.value.op !== 'barrier') return undefined;
    // A barrier may come twice or late: it counts only if it raises the generation.
    if (control.value.generation <= this.#generation) return undefined;
    this.#generation = control.value.generation;
    this.#seen.clear();
    this.#barrier = this.#positionAt(record.offset);
    this.#isDeleted = control.value.reason === 'deleted';
    if (this.#closing && this.#closing.position.generation <= this.#generation) this.#closing = undefined;
    const event = this.#deliver(record, { owner: '', version: 0 });
    // Nobody is served from what was deleted, and it is not kept in memory.
    if (this.#isDeleted) this.#ring.raise(record.offset);
    return event;
  }

  #takeUpdate(record: DeliveredRecord): LogEvent | undefined {
    const version = countHeader(record.headers, RecordHeader.Version);
    const generation = countHeader(record.headers, RecordHeader.Generation);
    const owner = ownerKey(record.headers);
    if (version === undefined || generation === undefined || owner === undefined) return undefined;
    const isOutdated = generation < this.#generation || (this.#isDeleted && generation === this.#generation);
    if (isOutdated) return { kind: 'stale', owner, version, barrier: this.#barrier };
    // Nobody can have edited a state that has not begun.
    if (generation > this.#generation) return undefined;
    // As for the store and for joins: a writer that says 0 does not count its updates.
    if (version === 0) return this.#deliver(record, { owner, version });
    if (!this.#seen.add(owner, version)) {
      const position = this.#positionAt(record.offset);
      const entry = { position, previous: this.#previous, envelope: record.value, owner, version };
      return { kind: 'repeat', entry };
    }
    return this.#deliver(record, { owner, version });
  }

  #deliver(record: DeliveredRecord, writer: { owner: string; version: number }): LogEvent {
    const entry: LogEntry = {
      position: this.#positionAt(record.offset),
      previous: this.#previous,
      envelope: detached(record.value),
      owner: writer.owner,
      version: writer.version,
    };
    this.#previous = record.offset;
    this.#ring.push(entry);
    return { kind: 'entry', entry };
  }

  #positionAt(offset: number): Position {
    return {
      generation: this.#generation,
      epoch: this.#epoch ?? 0,
      partition: this.#partition,
      offset,
    };
  }
}

/** A small view must not keep the whole buffer of a fetch alive as long as it lies in the ring. */
function detached(value: Uint8Array): Uint8Array {
  return value.buffer.byteLength - value.byteLength > HEADER_BYTES * 64 ? exactBytes(value) : value;
}
