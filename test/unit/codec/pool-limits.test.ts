import { afterEach, describe, expect, it } from '@jest/globals';
import { BroadcastChannel } from 'node:worker_threads';
import { systemClock, type Clock } from '../../../lib/clock.ts';
import { createCodecPool, type CodecPoolOptions } from '../../../lib/codec/pool.ts';
import type { Codec } from '../../../lib/codec/port.ts';
import { silentLogger } from '../../../lib/log.ts';
import { Writer } from '../../support/writer.ts';

/** What hanging-worker.ts says; that module itself is for threads. */
const HANGING_CHANNEL = 'a codec thread hangs';
const HANGING = new URL('../../support/hanging-worker.ts', import.meta.url);
const MB = 1024 ** 2;

const open: Codec[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((codec) => codec.close()));
});

/** Time limits that are over when the test says so, however slow the machine is. */
function heldLimits() {
  const due = new Set<() => void>();
  const clock: Clock = {
    ...systemClock,
    setTimeout(callback) {
      due.add(callback);
      return { cancel: () => void due.delete(callback) };
    },
  };
  return { clock, due, expire: () => [...due].forEach((callback) => callback()) };
}

/** Resolves when a thread has begun what it does not end. */
function hanging(): Promise<void> {
  const channel = new BroadcastChannel(HANGING_CHANNEL);
  return new Promise((resolve) => {
    channel.onmessage = () => {
      channel.close();
      resolve();
    };
  });
}

/** One thread, on which a check never ends. */
function pool(options: Partial<CodecPoolOptions> = {}) {
  const { clock, ...limits } = heldLimits();
  const codec = createCodecPool({
    threads: 1,
    maxQueue: 100,
    timeoutMs: 20_000,
    inlineBytes: 0,
    clock,
    logger: silentLogger,
    workerUrl: HANGING,
    ...options,
  });
  open.push(codec);
  return { codec, ...limits };
}

const stateOf = (length: number): Uint8Array => new Writer(1).type('x'.repeat(length))[0]!;

describe('a codec thread that does not come to an end', () => {
  it('does small work while large work is done', async () => {
    const { codec } = pool();
    let isLargeDone = false;
    const large = codec.check(stateOf(5 * MB)).catch(() => (isLargeDone = true));
    const state = stateOf(10);
    expect((await codec.fold(state, [])).rejected).toEqual([]);
    expect(isLargeDone).toBe(false);
    await codec.close();
    await large;
  });

  it('kills the thread of a task that does not end, and goes on with another', async () => {
    const { codec, due, expire } = pool();
    const state = stateOf(10);
    const hangs = hanging();
    const endless = codec.check(state);
    const waiting = codec.fold(state, []);
    await hangs;
    // The time limit of a task begins with its work, not while it waits behind another.
    expect(due.size).toBe(1);
    expire();
    await expect(endless).rejects.toMatchObject({ type: 'CODEC_TIMEOUT' });
    expect((await waiting).rejected).toEqual([]);
  });

  it('does small work inline: no thread is started for it', async () => {
    // A check on a thread would never end here.
    const { codec, due, expire } = pool({ inlineBytes: 1_000 });
    expect((await codec.check(stateOf(10))).ok).toBe(true);
    expect(due.size).toBe(0);
    const hangs = hanging();
    const large = codec.check(stateOf(5_000));
    await hangs;
    expire();
    await expect(large).rejects.toMatchObject({ type: 'CODEC_TIMEOUT' });
  });

  it('rejects what waits when it is closed, and everything afterwards', async () => {
    const { codec } = pool();
    const state = stateOf(10);
    const running = codec.check(state);
    const waiting = codec.fold(state, []);
    const settled = Promise.allSettled([running, waiting]);
    await codec.close();
    await codec.close();
    expect((await settled).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await expect(codec.stateVectorOf(state)).rejects.toMatchObject({ type: 'SERVICE_UNAVAILABLE' });
  });
});
