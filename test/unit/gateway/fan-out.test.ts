import { beforeEach, describe, expect, it } from '@jest/globals';
import { ChunkTurns } from '../../../lib/gateway/chunk-turns.ts';
import { DocumentLog } from '../../../lib/gateway/document-log.ts';
import { FanOutPace, MAX_PAUSE_MS } from '../../../lib/gateway/fan-out-pace.ts';
import { FanOut } from '../../../lib/gateway/fan-out.ts';
import { gatewayMetrics } from '../../../lib/gateway/gateway-metrics.ts';
import { HostedDocument, Subscription } from '../../../lib/gateway/hosted-document.ts';
import { Outbox } from '../../../lib/gateway/outbox.ts';
import { RateLimit } from '../../../lib/gateway/rate-limits.ts';
import {
  createMetadata,
  decodeServerFrame,
  documentKey,
  encodeControlPayload,
  encodeKafkaEnvelope,
  encodeSyncPayload,
  FrameKind,
  SyncMessageType,
} from '../../../lib/protocol/index.ts';
import { ManualClock } from './manual-clock.ts';

const PEOPLE = 20;
/** A tick for all of them is paid for in 20 ms. */
const FRAMES_PER_SECOND = 1_000;
const ID = { tenantId: 't', roomId: 'r', docId: 'd' };

/** A document that some have open, and what each of them has been sent. */
class Room {
  readonly clock = new ManualClock();
  readonly log = new DocumentLog({ maxBytes: 1_000_000, partition: 0, heldAfter: -1 });
  readonly document: HostedDocument;
  readonly fanOut: FanOut;
  /** Offsets, by the frame in which they came. */
  readonly frames: number[][] = [];
  /** Whether everything had been sent when awareness was. */
  readonly awareness: boolean[] = [];
  deletions = 0;
  #offset = -1;

  constructor(framesPerSecond: number) {
    const { clock, log } = this;
    log.learn({ generation: 1, epoch: 1, partition: 0, offset: -1 });
    this.document = new HostedDocument({
      id: ID,
      key: documentKey(ID),
      target: { topic: 'doc', partition: 0 },
      log,
      followedThrough: () => this.#offset,
      topicId: () => undefined,
      catchUp: () => Promise.resolve(),
      roomRate: new RateLimit(0, 0, 0),
      pace: new FanOutPace(framesPerSecond),
    });
    this.fanOut = new FanOut({
      clock,
      metrics: gatewayMetrics(),
      flushAwareness: ({ tick }) => void this.awareness.push(tick.length === 0),
      onUnbased: () => undefined,
      onDeleted: () => void this.deletions++,
    });
    for (let at = 0; at < PEOPLE; at++) this.#enter(at);
  }

  /** One update, `everyMs`, `count` times. */
  type(count: number, everyMs: number): void {
    for (let at = 0; at < count; at++) {
      this.#take(
        { c: String(this.#offset + 2), t: '0' },
        encodeSyncPayload(SyncMessageType.Update, new Uint8Array(2)),
      );
      this.clock.advance(everyMs);
    }
  }

  delete(): void {
    const payload = encodeControlPayload({ op: 'barrier', generation: 2, reason: 'deleted' });
    this.#take({ c: '0', t: '4', g: '2' }, payload);
  }

  #take(headers: Record<string, string>, payload: Uint8Array): void {
    const value = encodeKafkaEnvelope(createMetadata({ docId: 'd', senderId: 'ann', version: 1 }), payload);
    const offset = ++this.#offset;
    const event = this.log.take({
      key: this.document.key,
      value,
      headers: { s: 'ann', g: '1', ...headers },
      offset,
      timestampMs: 0,
    });
    this.document.tick.push(event!);
    this.fanOut.schedule(this.document);
  }

  #enter(at: number): void {
    const { clock, document } = this;
    const outbox = new Outbox<Subscription>({
      transport: {
        send: ({ bytes }) => {
          const frame = decodeServerFrame(bytes);
          if (!frame.ok || frame.value.kind !== FrameKind.Entries) throw new Error('not entries');
          const offsets = frame.value.entries.map(({ position }) => position.offset);
          if (at === 0) this.frames.push(offsets);
          else expect(this.frames.at(-1)).toEqual(offsets);
        },
        nack: () => undefined,
        close: () => undefined,
        queuedBytes: () => 0,
        onDrain: () => undefined,
      },
      clock,
      turns: new ChunkTurns(clock),
      maxQueueBytes: 1_000_000,
      maxFrameBytes: 100_000,
      onDropped: () => undefined,
      onDrained: () => undefined,
      onOverflow: () => undefined,
    });
    const subscription = new Subscription({
      document,
      outbox,
      identity: { tenantId: 't' },
      senderId: `reader-${at}`,
      origin: {},
      access: { read: true, write: true },
      maxUnacked: 10,
      budget: { bytes: 0, maxBytes: 1_000 },
    });
    subscription.isLive = true;
    document.subscriptions.add(subscription);
  }
}

const range = (count: number) => Array.from({ length: count }, (_, at) => at);

describe('the pace of the fan-out', () => {
  let room: Room;
  beforeEach(() => {
    room = new Room(FRAMES_PER_SECOND);
  });

  it('below the rate everything goes at once', () => {
    room.type(20, 50);
    expect(room.frames).toEqual(range(20).map((offset) => [offset]));
  });

  it('after a quiet time some go at once, then they go together, all of them and in order', () => {
    room.type(1_000, 1);
    room.clock.advance(MAX_PAUSE_MS);
    expect(room.frames.flat()).toEqual(range(1_000));
    expect(room.frames.slice(0, 5).map((frame) => frame.length)).toEqual([1, 1, 1, 1, 1]);
    expect(room.frames.length).toBeLessThan(65);
    expect(room.frames.length).toBeGreaterThan(50);
  });

  it('nobody waits longer than the longest pause, however dear a tick is', () => {
    room = new Room(1);
    room.type(500, 1);
    expect(Math.max(...room.frames.map((frame) => frame.length))).toBe(MAX_PAUSE_MS);
    room.clock.advance(2 * MAX_PAUSE_MS);
    room.type(1, 0);
    room.clock.advance(0);
    expect(room.frames.at(-1)).toEqual([500]);
  });

  it('without a limit nothing waits', () => {
    room = new Room(0);
    room.type(200, 1);
    expect(room.frames).toHaveLength(200);
  });

  it('awareness goes with the text that it points into', () => {
    room.type(1_000, 1);
    expect(room.awareness).not.toContain(false);
    expect(room.awareness.length).toBeLessThan(65);
  });

  it('what waits goes at once when the gateway stops', () => {
    room.type(107, 1);
    expect(room.frames.flat().length).toBeLessThan(107);
    room.fanOut.flush();
    expect(room.frames.flat()).toEqual(range(107));
    room.clock.advance(1_000);
    expect(room.frames.flat()).toHaveLength(107);
  });

  it('a deletion waits no longer than what came before it', () => {
    room.type(100, 1);
    room.delete();
    room.clock.advance(MAX_PAUSE_MS);
    expect(room.deletions).toBe(1);
    expect(room.frames.flat()).toEqual(range(101));
  });
});
