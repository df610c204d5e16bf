import {
  createMetadata,
  encodeClientEntries,
  encodeKafkaEnvelope,
  encodeSyncPayload,
  SyncMessageType,
  type Nack,
  type VersionRanges,
} from '../protocol/index.ts';
import { Backoff } from './backoff.ts';
import { Alarm } from './environment.ts';
import type { ProcessingContext } from './processing-context.ts';
import { UpdateQueue, type UnackedBound } from './update-queue.ts';

/** Bytes that an envelope may need in a frame beside itself. */
const ENVELOPE_HEAD_BYTES = 8;

export interface OutgoingState {
  /** The document has joined on this connection and its state has been applied. */
  isLive: boolean;
  /** Updates may be given versions and sent. */
  maySendUpdates: boolean;
  generation: number;
}

export interface OutgoingOptions {
  context: ProcessingContext;
  state: () => OutgoingState;
  /** Payloads that are not kept: awareness. */
  takeEphemeral: () => Uint8Array | undefined;
  /** This version cannot be sent, and what follows it must not be. */
  onTooLarge: (version: number) => void;
  /** Nothing was acked for too long: the document should join again. */
  onStalled: () => void;
  /** The bound has been reached, or half of it has gone. */
  onBacklog: (isFull: boolean) => void;
}

/** What one document sends: its queue of updates in order, once for each tick, again after a transient nack. */
export class Outgoing {
  readonly queue: UpdateQueue;
  readonly #options: OutgoingOptions;
  readonly #again: Alarm;
  readonly #stalled: Alarm;
  readonly #backoff: Backoff;
  #isFlushing = false;
  #isFull = false;

  constructor(options: OutgoingOptions) {
    this.#options = options;
    const { environment, tuning, lastVersion } = options.context;
    this.queue = new UpdateQueue(lastVersion);
    this.#again = new Alarm(environment);
    this.#stalled = new Alarm(environment);
    this.#backoff = new Backoff({
      minMs: tuning.retryMinMs,
      maxMs: tuning.retryMaxMs,
      random: environment.random,
    });
  }

  add(update: Uint8Array): void {
    this.queue.add(update);
    this.scheduleFlush();
  }

  /** Sends at the end of this tick. */
  scheduleFlush(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    this.#options.context.environment.defer(() => {
      this.#isFlushing = false;
      this.flush();
    });
  }

  flush(): void {
    const { isLive, maySendUpdates, generation } = this.#options.state();
    if (!isLive) return this.#noteBacklog();
    const envelopes: Uint8Array[] = [];
    if (maySendUpdates && !this.#again.isSet) envelopes.push(...this.#takeUpdates(generation));
    const ephemeral = this.#options.takeEphemeral();
    if (ephemeral) envelopes.push(this.#ephemeralEnvelope(ephemeral));
    this.#send(envelopes);
    this.#noteBacklog();
  }

  /** What could not be sent is kept small; the application hears of the bound once, and once when there is room. */
  #noteBacklog(): void {
    this.queue.compact(this.#maxUpdateBytes);
    const { maxUpdates, maxBytes } = this.#bound;
    const half = { maxUpdates: maxUpdates / 2, maxBytes: maxBytes / 2 };
    const isFull = this.#isFull ? this.queue.isFull(half) : this.queue.isFull(this.#bound);
    if (isFull === this.#isFull) return;
    this.#isFull = isFull;
    this.#options.onBacklog(isFull);
  }

  get #bound(): UnackedBound {
    const { maxUnacked, maxUnackedBytes } = this.#options.context.tuning;
    return { maxUpdates: maxUnacked, maxBytes: maxUnackedBytes, maxUpdateBytes: this.#maxUpdateBytes };
  }

  get #maxUpdateBytes(): number {
    const { tuning, connection } = this.#options.context;
    return Math.min(tuning.maxUpdateBytes, connection.maxUpdateBytes);
  }

  /** Sends a payload that is never stored, at once. */
  sendEphemeral(payload: Uint8Array): void {
    if (this.#options.state().isLive) this.#send([this.#ephemeralEnvelope(payload)]);
  }

  /** True when the version was held. */
  settle(version: number): boolean {
    const held = this.queue.settle(version);
    if (held) this.#progressed();
    return held;
  }

  settleAll(appended: VersionRanges): number[] {
    const settled = this.queue.settleAll(appended);
    if (settled.length > 0) this.#progressed();
    return settled;
  }

  /** Transient: from this version on everything is sent again, in order, after a while. */
  sendAgain(nack: Nack & { version: number }): void {
    this.queue.markUnsent(nack.version);
    if (this.#again.isSet) return;
    this.#again.set(this.#backoff.nextMs(nack.retryAfterMs), () => this.flush());
  }

  /** What was on its way may be lost with the connection. */
  disconnected(): void {
    this.queue.markUnsent();
    this.#again.clear();
    this.#stalled.clear();
  }

  stop(): void {
    this.#again.clear();
    this.#stalled.clear();
  }

  #progressed(): void {
    this.#backoff.reset();
    this.#stalled.clear();
    this.#armStalled();
    if (this.queue.hasWaiting || this.#isFull) this.scheduleFlush();
  }

  #armStalled(): void {
    if (this.queue.unackedCount === 0 || this.#stalled.isSet) return;
    this.#stalled.set(this.#options.context.tuning.ackTimeoutMs, () => {
      this.queue.markUnsent();
      this.#options.onStalled();
    });
  }

  #takeUpdates(generation: number): Uint8Array[] {
    const maxUpdateBytes = this.#maxUpdateBytes;
    this.queue.splitLarge(maxUpdateBytes);
    this.queue.assign(this.#bound, (version, update) =>
      encodeKafkaEnvelope(
        this.#metadata({ version, generation }),
        encodeSyncPayload(SyncMessageType.Update, update),
      ),
    );
    const unsent = this.queue.unsent();
    const tooLarge = unsent.find(({ update }) => update.byteLength > maxUpdateBytes);
    if (tooLarge) {
      // The server would refuse it as a whole message, without saying which update it was.
      this.#options.onTooLarge(tooLarge.version);
      return [];
    }
    for (const entry of unsent) entry.isSent = true;
    if (unsent.length > 0) this.#armStalled();
    return unsent.map(({ envelope }) => envelope);
  }

  #ephemeralEnvelope(payload: Uint8Array): Uint8Array {
    return encodeKafkaEnvelope(this.#metadata({ version: 0 }), payload);
  }

  #metadata(fields: { version: number; generation?: number }) {
    const { address, senderId, environment } = this.#options.context;
    return createMetadata({ ...address, senderId, timestamp: environment.wallTime(), ...fields });
  }

  /** Several envelopes in a frame as long as they fit, so that only a large one has to travel as chunks. */
  #send(envelopes: readonly Uint8Array[]): void {
    const { connection } = this.#options.context;
    let batch: Uint8Array[] = [];
    let bytes = 0;
    for (const envelope of envelopes) {
      const size = envelope.byteLength + ENVELOPE_HEAD_BYTES;
      if (batch.length > 0 && bytes + size >= connection.maxFrameBytes) {
        connection.send(encodeClientEntries(batch));
        batch = [];
        bytes = 0;
      }
      batch.push(envelope);
      bytes += size;
    }
    if (batch.length > 0) connection.send(encodeClientEntries(batch));
  }
}
