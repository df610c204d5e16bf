import { afterEach, describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import { systemClock } from '../../../lib/clock.ts';
import { foldWithYjs } from '../../../lib/codec/fold.ts';
import { createInlineCodec } from '../../../lib/codec/inline.ts';
import { createCodecPool, type CodecPoolOptions } from '../../../lib/codec/pool.ts';
import type { Codec } from '../../../lib/codec/port.ts';
import { shareCodec } from '../../../lib/codec/shared.ts';
import { silentLogger, type Logger } from '../../../lib/log.ts';
import { waitFor } from '../../support/wait.ts';

const NAMING = new URL('../../support/naming-worker.ts', import.meta.url);
const MB = 1024 ** 2;

/** Yjs applies it (the parent of one item is no type, so Yjs collects it); ywasm 0.18.3 traps on it. */
const TRAP = Buffer.from(
  '010f07000401017402686581070101840702016c840703076f20776f726c64c107020703032801016d016b01760101617d014607' +
    '0004626f6c640474727565c60703070404626f6c64046e756c6c08010161027d017701788707120127000713017a0204000714' +
    '0361626307010178030170870718060400071102747401070202010b03',
  'hex',
);

const open: Codec[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((codec) => codec.close()));
});

function pool(options: Partial<CodecPoolOptions> = {}): Codec {
  const codec = createCodecPool({
    threads: 1,
    maxQueue: 100,
    timeoutMs: 20_000,
    inlineBytes: 0,
    clock: systemClock,
    logger: silentLogger,
    ...options,
  });
  open.push(codec);
  return codec;
}

function warnings(): { logger: Logger; messages: string[] } {
  const messages: string[] = [];
  return { messages, logger: { ...silentLogger, warn: (_, message) => messages.push(message) } };
}

function sample(length: number) {
  const doc = new Y.Doc({ guid: 'sample' });
  doc.clientID = 1;
  const updates: Uint8Array[] = [];
  doc.on('update', (update: Uint8Array) => updates.push(update));
  doc.getText('t').insert(0, 'x'.repeat(length));
  doc.getText('t').insert(3, 'more');
  doc.getText('t').delete(0, 2);
  doc.getMap('m').set('k', { nested: [1, 'two'] });
  return { doc, updates, state: Y.encodeStateAsUpdate(doc) };
}

describe('a codec on threads', () => {
  it('gives for every task what the inline one gives', async () => {
    const [threads, inline] = [pool(), createInlineCodec()];
    const { updates, state, doc } = sample(200);
    const known = Y.encodeStateVector(foldDocument(updates.slice(0, 1)));
    for (const task of [
      (codec: Codec) => codec.fold(undefined, updates),
      (codec: Codec) => codec.fold(updates[0], updates.slice(1)),
      (codec: Codec) => codec.fold(undefined, [updates[1]!, Uint8Array.of(9)]),
      (codec: Codec) => codec.merge(updates),
      (codec: Codec) => codec.merge(updates.slice(0, 1)),
      (codec: Codec) => codec.diff(state, known),
      (codec: Codec) => codec.stateVectorOf(state),
      (codec: Codec) => codec.check(state),
      (codec: Codec) => codec.check(Uint8Array.of(1, 2, 3)),
      (codec: Codec) => codec.describe(state),
      (codec: Codec) => codec.render(state, { as: 'json' }),
      (codec: Codec) => codec.render(state, { as: 'text', root: 't' }),
    ])
      expect(await task(threads)).toEqual(await task(inline));
    expect(await threads.render(state, { as: 'json' })).toBe(
      JSON.stringify({ t: doc.getText('t').toString(), m: doc.getMap('m').toJSON() }),
    );
  });

  it('renders integers that JSON has no number for as text', async () => {
    const doc = new Y.Doc();
    doc.getMap('m').set('k', 2n ** 60n);
    const rendered = await createInlineCodec().render(Y.encodeStateAsUpdate(doc), { as: 'json' });
    expect(rendered).toBe('{"m":{"k":"1152921504606846976"}}');
  });

  it('keeps the type of an error', async () => {
    const codec = pool();
    await expect(codec.diff(sample(9).state, Uint8Array.of(5))).rejects.toMatchObject({ type: 'BAD_INPUT' });
    await expect(codec.fold(Uint8Array.of(9, 9), [])).rejects.toMatchObject({ type: 'CODEC_FAILED' });
  });

  it('leaves its inputs usable, and results own their memory', async () => {
    const codec = pool();
    // A view on a pooled buffer with a neighbour that must not travel.
    const buffer = Buffer.alloc(8_192, 7);
    const { state } = sample(50);
    buffer.set(state, 100);
    const view = buffer.subarray(100, 100 + state.byteLength);
    const folded = await codec.fold(view, []);
    expect(view).toEqual(Buffer.from(state));
    expect(buffer.byteLength).toBe(8_192);
    expect(folded.update.buffer.byteLength).toBe(folded.update.byteLength);
  });

  it('takes a large snapshot that is given away without a copy, and any other as it is', async () => {
    const codec = pool();
    const { state } = sample(5 * MB);
    const kept = state.slice();
    expect((await codec.fold(kept, [])).update.byteLength).toBe(state.byteLength);
    expect(kept.byteLength).toBe(state.byteLength);
    const given = state.slice();
    const { update } = await codec.fold(given, [], { isSnapshotGiven: true });
    expect(Buffer.compare(update, foldWithYjs(state, []).update)).toBe(0);
    expect(given.byteLength).toBe(0);
    // A view on what belongs to others never moves.
    const pooled = new Uint8Array(state.byteLength + 8);
    pooled.set(state, 8);
    await codec.fold(pooled.subarray(8), [], { isSnapshotGiven: true });
    expect(pooled.byteLength).toBe(state.byteLength + 8);
  });

  it('tells when large work has ended, also with an error, and says nothing of small work', async () => {
    const told: number[] = [];
    const codec = pool({ onLargeWork: (bytes) => told.push(bytes) });
    const { state } = sample(5 * MB);
    await codec.check(sample(100).state);
    expect(told).toEqual([]);
    await codec.check(state);
    expect(told).toEqual([state.byteLength]);
    await expect(codec.describe(new Uint8Array(5 * MB).fill(255))).rejects.toMatchObject({
      type: 'CODEC_FAILED',
    });
    expect(told).toEqual([state.byteLength, 5 * MB]);
  });

  it('gives the memory of large work back: its thread ends with it, that of small work stays', async () => {
    const codec = pool({ workerUrl: NAMING });
    const threadOf = async (bytes: number) => (await codec.stateVectorOf(new Uint8Array(bytes)))[0];
    const [small, large] = [await threadOf(100), await threadOf(5 * MB)];
    await waitFor(async () => (await threadOf(5 * MB)) !== large);
    expect(await threadOf(100)).toBe(small);
  });

  it('loses a thread, not the document, to an update that traps Yrs', async () => {
    const { logger, messages } = warnings();
    const codec = pool({ logger });
    const { state } = sample(70_000);
    const folded = await codec.fold(state, [TRAP]);
    expect(folded).toEqual(foldWithYjs(state, [TRAP]));
    expect(messages).toEqual(['codec thread lost to Yrs, folding with Yjs']);
    // The next thread has a WASM instance of its own.
    const next = await codec.fold(state, []);
    expect(Y.decodeStateVector(next.stateVector)).toEqual(
      Y.decodeStateVector(Y.encodeStateVector(foldDocument([state]))),
    );
    expect(messages).toHaveLength(1);
  });

  it('fails the document that neither engine can process, and goes on', async () => {
    const codec = pool();
    const { state } = sample(70_000);
    const broken = state.slice(0, -20);
    await expect(codec.fold(broken, [])).rejects.toMatchObject({ type: 'CODEC_FAILED', retryable: false });
    expect((await codec.fold(state, [])).rejected).toEqual([]);
  });

  it('folds and merges more updates than a call can have arguments', async () => {
    const codec = pool({ inlineBytes: 1_000_000, timeoutMs: 60_000 });
    const { updates } = sample(10);
    const many = Array.from({ length: 200_000 }, (_, index) => updates[index % updates.length]!);
    expect((await codec.fold(undefined, many)).update).toEqual(foldWithYjs(undefined, updates).update);
  });

  it('turns away what its queue cannot hold', async () => {
    const codec = pool({ maxQueue: 2 });
    const { state } = sample(10);
    const results = await Promise.allSettled([1, 2, 3, 4].map(() => codec.stateVectorOf(state)));
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'rejected']);
    expect((results[3] as PromiseRejectedResult).reason).toMatchObject({
      type: 'CODEC_OVERLOADED',
      retryable: true,
    });
  });

  it('loses a thread, not the process, to a task that needs too much memory', async () => {
    const codec = pool({ maxHeapMb: 16, timeoutMs: 300_000 });
    const doc = new Y.Doc({ guid: 'many' });
    doc.getArray('a').push(Array.from({ length: 120_000 }, (_, i) => ({ [`key-${i}`]: [i, `${i}`] })));
    await expect(codec.render(Y.encodeStateAsUpdate(doc), { as: 'json' })).rejects.toMatchObject({
      type: 'CODEC_FAILED',
    });
    expect((await codec.check(sample(10).state)).ok).toBe(true);
  });

  it('is shared by the services of a process until the last one closes it', async () => {
    const owner = {};
    const [first, second] = [shareCodec(owner, () => pool()), shareCodec(owner, () => pool())];
    expect(open).toHaveLength(1);
    await first.close();
    await first.close();
    expect((await second.check(sample(10).state)).ok).toBe(true);
    await second.close();
    await expect(second.check(sample(10).state)).rejects.toMatchObject({ type: 'SERVICE_UNAVAILABLE' });
  });
});

function foldDocument(updates: readonly Uint8Array[]): Y.Doc {
  const doc = new Y.Doc({ guid: 'folded' });
  for (const update of updates) Y.applyUpdate(doc, update);
  return doc;
}
