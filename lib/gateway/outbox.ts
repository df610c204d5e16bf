import type { Clock, TimerHandle } from '../clock.ts';
import { cutParts, sizeOfParts } from '../protocol/chunks.ts';
import type { Nack } from '../protocol/events.ts';
import type { Position } from '../protocol/position.ts';
import type { ChunkTurns } from './chunk-turns.ts';
import type { ClientTransport, SharedEvent, SharedFrame } from './port.ts';
import { shareParts } from './shared-frame.ts';

/** Whose frames can be dropped together: a subscription. */
export interface OutboxOwner {
  /** Position of what was last handed to the transport. */
  sent: Position | undefined;
}

interface Item<Owner> {
  owner: Owner | undefined;
  bytes: number;
  position?: Position;
  frame?: SharedFrame;
  nack?: Nack;
  chunks?: Iterator<readonly Uint8Array[], void>;
  done?: (outcome: 'sent' | 'dropped') => void;
}

export interface OutboxOptions<Owner> {
  transport: ClientTransport;
  clock: Clock;
  /** Shared by all connections of the process. */
  turns: ChunkTurns;
  /** Bound of what waits here and in the transport together. */
  maxQueueBytes: number;
  maxFrameBytes: number;
  /** What waits of an owner has been dropped: it gets nothing more until its resume. */
  onDropped: (owner: Owner) => void;
  /** The queue is empty again: those that were dropped can be resumed. */
  onDrained: (owners: Owner[]) => void;
  /** What may not be dropped exceeds the bound. */
  onOverflow: () => void;
}

/** Cost of a nack in the queue. */
const NACK_BYTES = 256;
/** A transport need not say when it has drained; then it is asked this often. */
const POLL_MS = 20;

/**
 * Everything that goes to one connection, in order, bounded (design rule 12). At the bound the waiting
 * frames of a document are dropped, never nacks; the document is then served by resume.
 */
export class Outbox<Owner extends OutboxOwner = OutboxOwner> {
  readonly #options: OutboxOptions<Owner>;
  readonly #highWaterBytes: number;
  #queue: Item<Owner>[] = [];
  #bytes = 0;
  #behind = new Set<Owner>();
  #nextChunkId = 1;
  #timer: TimerHandle | undefined;
  #isClosed = false;
  #isPumping = false;
  readonly #goOn = () => this.#pump();

  constructor(options: OutboxOptions<Owner>) {
    this.#options = options;
    this.#highWaterBytes = options.maxQueueBytes / 4;
    options.transport.onDrain(this.#goOn);
  }

  get queuedBytes(): number {
    return this.#bytes;
  }

  /** Entries or acks of a document, up to `position`. */
  send(owner: Owner, frame: SharedFrame, position: Position): void {
    // Behind what was dropped nothing may follow before the resume.
    if (this.#isClosed || this.#behind.has(owner)) return;
    if (this.#isOpen() && frame.bytes.byteLength <= this.#options.maxFrameBytes) {
      this.#options.transport.send(frame);
      owner.sent = position;
      return;
    }
    const chunks = this.#chunksOf(frame.bytes);
    const bytes = this.#costOf(frame.bytes.byteLength);
    this.#push({ owner, bytes, position, ...(chunks ? { chunks } : { frame }) });
  }

  nack(nack: Nack): void {
    if (this.#isClosed) return;
    if (this.#isOpen()) this.#options.transport.nack(nack);
    else this.#push({ owner: undefined, bytes: NACK_BYTES, nack });
  }

  /** A frame that may be lost: false when it was not sent because others wait. */
  offer(frame: SharedFrame): boolean {
    if (this.#isClosed || !this.#isOpen()) return false;
    const chunks = this.#chunksOf(frame.bytes);
    if (chunks) this.#push({ owner: undefined, bytes: this.#costOf(frame.bytes.byteLength), chunks });
    else this.#options.transport.send(frame);
    return true;
  }

  /** An event that may be lost: false when it was not sent because others wait. */
  offerEvent(event: SharedEvent): boolean {
    if (this.#isClosed || !this.#isOpen()) return false;
    this.#options.transport.event?.(event);
    return true;
  }

  /**
   * A state, cut into chunks only as fast as the connection takes them: it costs the queue one chunk, however
   * large it is. Resolves when all of it has been handed over, or was dropped.
   */
  state(owner: Owner, parts: readonly Uint8Array[], position: Position): Promise<'sent' | 'dropped'> {
    if (this.#isClosed) return Promise.resolve('dropped');
    this.#behind.delete(owner);
    return new Promise((done) => {
      const chunks = cutParts(parts, this.#nextChunkId++, this.#options.maxFrameBytes);
      this.#push({ owner, bytes: this.#costOf(sizeOfParts(parts)), position, chunks, done });
    });
  }

  /** Removes what waits for an owner that has left. */
  forget(owner: Owner): void {
    this.#remove((item) => item.owner === owner);
    this.#behind.delete(owner);
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#options.turns.forget(this.#goOn);
    this.#remove(() => true);
    this.#behind.clear();
  }

  /** A large frame is shared with the other connections; what it costs this one is the chunk that is cut from it. */
  #costOf(bytes: number): number {
    return Math.min(bytes, this.#options.maxFrameBytes);
  }

  #isOpen(): boolean {
    return this.#queue.length === 0 && this.#options.transport.queuedBytes() < this.#highWaterBytes;
  }

  #chunksOf(bytes: Uint8Array): Iterator<readonly Uint8Array[], void> | undefined {
    const { maxFrameBytes } = this.#options;
    return bytes.byteLength > maxFrameBytes
      ? cutParts([bytes], this.#nextChunkId++, maxFrameBytes)
      : undefined;
  }

  #push(item: Item<Owner>): void {
    this.#queue.push(item);
    this.#bytes += item.bytes;
    this.#pump();
    if (this.#isOverBound() && item.owner) this.#drop(item.owner);
    if (this.#isOverBound()) for (const owner of this.#owners()) this.#drop(owner);
    if (this.#isOverBound()) this.#options.onOverflow();
  }

  #isOverBound(): boolean {
    return this.#bytes + this.#options.transport.queuedBytes() > this.#options.maxQueueBytes;
  }

  #owners(): Set<Owner> {
    return new Set(this.#queue.flatMap(({ owner }) => (owner ? [owner] : [])));
  }

  #drop(owner: Owner): void {
    this.#behind.add(owner);
    this.#options.onDropped(owner);
    this.#remove((item) => item.owner === owner);
  }

  #remove(matches: (item: Item<Owner>) => boolean): void {
    const removed = this.#queue.filter(matches);
    if (removed.length === 0) return;
    this.#queue = this.#queue.filter((item) => !matches(item));
    for (const item of removed) {
      this.#bytes -= item.bytes;
      item.done?.('dropped');
    }
  }

  #pump(): void {
    // A transport may report a drain while it is being handed a frame.
    if (this.#isPumping || this.#isClosed) return;
    this.#isPumping = true;
    this.#sendWaiting();
    this.#isPumping = false;
    if (this.#queue.length === 0 && this.#behind.size > 0) this.#resumeDropped();
  }

  #sendWaiting(): void {
    while (this.#queue.length > 0) {
      const item = this.#queue[0]!;
      if (this.#options.transport.queuedBytes() >= this.#waterOf(item)) return this.#pollSoon();
      if (item.chunks && !this.#options.turns.isOpenFor(this.#goOn)) return;
      if (this.#sendSome(item)) continue;
      this.#queue.shift();
      this.#bytes -= item.bytes;
      if (item.owner && item.position) item.owner.sent = item.position;
      item.done?.('sent');
    }
  }

  /** One chunk waits while one is being sent: hundreds of joins at once would have as many queues full of copies. */
  #waterOf({ chunks }: Item<Owner>): number {
    return chunks ? Math.min(this.#highWaterBytes, this.#options.maxFrameBytes) : this.#highWaterBytes;
  }

  /** True while chunks are left. */
  #sendSome(item: Item<Owner>): boolean {
    const { transport, turns } = this.#options;
    if (item.nack) transport.nack(item.nack);
    if (item.frame) transport.send(item.frame);
    if (!item.chunks) return false;
    const chunk = item.chunks.next();
    if (chunk.done) return false;
    transport.send(shareParts(chunk.value));
    turns.spend(sizeOfParts(chunk.value));
    transport.progressed?.();
    return true;
  }

  #resumeDropped(): void {
    // What the transport still holds has to leave first, or the resume would be dropped as well.
    if (this.#options.transport.queuedBytes() >= this.#highWaterBytes) return this.#pollSoon();
    const owners = [...this.#behind];
    this.#behind.clear();
    this.#options.onDrained(owners);
  }

  #pollSoon(): void {
    if (this.#isClosed) return;
    this.#timer?.cancel();
    this.#timer = this.#options.clock.setTimeout(this.#goOn, POLL_MS);
  }
}
