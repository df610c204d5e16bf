import { beforeEach, describe, expect, it } from '@jest/globals';
import { ChunkTurns } from '../../../lib/gateway/chunk-turns.ts';
import { createNack } from '../../../lib/gateway/nacks.ts';
import { Outbox, type OutboxOwner } from '../../../lib/gateway/outbox.ts';
import type { ClientTransport, SharedFrame } from '../../../lib/gateway/port.ts';
import { shareFrame } from '../../../lib/gateway/shared-frame.ts';
import { ChunkAssembler, decodeServerFrame, FrameKind, type Nack } from '../../../lib/protocol/index.ts';
import { ManualClock } from './manual-clock.ts';

/** A connection that takes bytes only when the test lets it. */
class StuckTransport implements ClientTransport {
  sent: (Uint8Array | Nack)[] = [];
  queued = 0;
  isStuck = false;

  send({ bytes }: SharedFrame): void {
    this.sent.push(bytes);
    if (this.isStuck) this.queued += bytes.byteLength;
  }
  nack(nack: Nack): void {
    this.sent.push(nack);
  }
  close(): void {
    this.queued = 0;
  }
  queuedBytes(): number {
    return this.queued;
  }
  onDrain(): void {
    // Never says so: the outbox has to ask.
  }
}

const MAX_BYTES = 4000;
const frame = (bytes = 500) => shareFrame(new Uint8Array(bytes).fill(7));
const at = (offset: number) => ({ generation: 1, epoch: 1, partition: 0, offset });

let clock: ManualClock;
let transport: StuckTransport;
let dropped: OutboxOwner[];
let drained: OutboxOwner[][];
let overflows: number;
let outbox: Outbox;

beforeEach(() => {
  clock = new ManualClock();
  transport = new StuckTransport();
  dropped = [];
  drained = [];
  overflows = 0;
  outbox = new Outbox({
    transport,
    clock,
    turns: new ChunkTurns(clock),
    maxQueueBytes: MAX_BYTES,
    maxFrameBytes: 1000,
    onDropped: (owner) => void dropped.push(owner),
    onDrained: (owners) => void drained.push(owners),
    onOverflow: () => void overflows++,
  });
});

const newOwner = (): OutboxOwner => ({ sent: undefined });

describe('outbox', () => {
  it('hands frames over at once while the connection takes them, and keeps the last sent position', () => {
    const owner = newOwner();
    outbox.send(owner, frame(), at(1));
    outbox.send(owner, frame(), at(2));
    expect(transport.sent).toHaveLength(2);
    expect(owner.sent).toEqual(at(2));
  });

  it('waits behind a stuck connection in order, nacks among the frames', () => {
    const owner = newOwner();
    transport.isStuck = true;
    for (let i = 0; i < 3; i++) outbox.send(owner, frame(), at(i));
    outbox.nack(createNack('OWED', { version: 1 }));
    outbox.send(owner, frame(), at(3));
    expect(transport.sent).toHaveLength(2);
    expect(owner.sent).toEqual(at(1));
    transport.isStuck = false;
    transport.queued = 0;
    clock.advance(100);
    expect(transport.sent.map((sent) => (sent instanceof Uint8Array ? 'frame' : sent.code))).toEqual([
      'frame',
      'frame',
      'frame',
      'OWED',
      'frame',
    ]);
    expect(owner.sent).toEqual(at(3));
  });

  it('drops the frames of a document at the bound, never nacks, and asks for its resume when drained', () => {
    const [slow, other] = [newOwner(), newOwner()];
    transport.isStuck = true;
    outbox.send(other, frame(1000), at(0));
    outbox.send(other, frame(100), at(1));
    outbox.nack(createNack('OWED', { version: 1 }));
    for (let i = 0; i < 8; i++) outbox.send(slow, frame(), at(i));
    expect(dropped).toEqual([slow]);
    expect(outbox.queuedBytes + transport.queued).toBeLessThanOrEqual(MAX_BYTES);
    transport.isStuck = false;
    transport.queued = 0;
    clock.advance(100);
    expect(slow.sent).toEqual(undefined);
    expect(other.sent).toEqual(at(1));
    expect(transport.sent.some((sent) => !(sent instanceof Uint8Array))).toBe(true);
    expect(drained).toEqual([[slow]]);
    expect(overflows).toBe(0);
  });

  it('reports an overflow only when what may not be dropped exceeds the bound', () => {
    const owner = newOwner();
    transport.isStuck = true;
    outbox.send(owner, frame(1000), at(0));
    outbox.send(owner, frame(1000), at(1));
    for (let i = 0; i < 20; i++) outbox.nack(createNack('OWED', { version: i }));
    expect(dropped).toEqual([owner]);
    expect(overflows).toBeGreaterThan(0);
  });

  it('cuts a state larger than the bound as fast as the connection takes it', async () => {
    const owner = newOwner();
    transport.isStuck = true;
    const state = new Uint8Array(20_000).map((_, i) => i % 251);
    const done = outbox.state(owner, [state], at(9));
    expect(dropped).toEqual([]);
    expect(owner.sent).toBeUndefined();
    for (let i = 0; i < 30; i++) {
      transport.queued = 0;
      clock.advance(20);
    }
    expect(await done).toBe('sent');
    expect(owner.sent).toEqual(at(9));
    const assembler = new ChunkAssembler(100_000);
    let whole: Uint8Array | undefined;
    for (const sent of transport.sent) {
      const decoded = decodeServerFrame(sent as Uint8Array);
      if (!decoded.ok || decoded.value.kind !== FrameKind.Chunk) throw new Error('no chunk');
      const added = assembler.add(decoded.value.chunk);
      if (added.ok && added.value) whole = added.value;
    }
    expect(whole).toEqual(state);
  });

  it('a dropped state says so, and what has left waits for nothing', async () => {
    const [owner, gone] = [newOwner(), newOwner()];
    transport.isStuck = true;
    outbox.send(owner, frame(1000), at(0));
    const state = outbox.state(gone, [new Uint8Array(3000)], at(1));
    outbox.forget(gone);
    expect(await state).toBe('dropped');
    outbox.close();
    outbox.send(owner, frame(), at(5));
    expect(transport.sent).toHaveLength(1);
  });

  it('awareness is not queued behind others', () => {
    transport.isStuck = true;
    expect(outbox.offer(frame(1000))).toBe(true);
    expect(outbox.offer(frame())).toBe(false);
    transport.queued = 0;
    expect(outbox.offer(frame())).toBe(true);
  });
});
