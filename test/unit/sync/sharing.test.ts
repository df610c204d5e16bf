import { systemClock } from '../../../lib/clock.ts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createInlineCodec } from '../../../lib/codec/inline.ts';
import { AppError } from '../../../lib/errors.ts';
import { MemoryStore } from '../../../lib/store/memory.ts';
import type { PersistenceAdapter } from '../../../lib/store/port.ts';
import type { Stream, TopicPartition } from '../../../lib/stream/port.ts';
import { SyncWorld } from '../../support/sync-world.ts';
import { textOf, Writer } from '../../support/writer.ts';

let store: PersistenceAdapter;
let world: SyncWorld;

beforeAll(async () => {
  store = new MemoryStore({ clock: systemClock });
  await store.prepare();
});
afterAll(() => store.close());
beforeEach(async () => {
  world = await SyncWorld.open({ store });
});
afterEach(() => world.close());

const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));

describe('many joins', () => {
  it('of one document at once do the work once', async () => {
    const document = world.newDocument();
    const writer = new Writer(1);
    await world.append(document, writer.type('a', 'b'));
    await world.persist(document);
    await world.append(document, writer.type('c'), { version: 3 });
    const answers = await Promise.all(times(200, (i) => world.join(document, { senderId: `s${i}` })));
    expect(new Set(answers.map((answer) => textOf(answer.update)))).toEqual(new Set(['abc']));
    expect(world.calls).toMatchObject({ loads: 1, reads: 1, endOffsets: 1 });
  });

  it('of one that was given up find the work that goes on, or its result', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const slow = await SyncWorld.open({
      store,
      wrapStore: (real) =>
        Object.assign(Object.create(real) as PersistenceAdapter, {
          load: (request: Parameters<PersistenceAdapter['load']>[0]) =>
            promise.then(() => real.load(request)),
          appendedVersions: (...request: Parameters<PersistenceAdapter['appendedVersions']>) =>
            real.appendedVersions(...request),
        }),
    });
    const document = slow.newDocument();
    await slow.append(document, new Writer(1).type('a', 'b'));
    await slow.persist(document);
    // Nobody waits for the first one any more: the gateway's time limit is over.
    void slow.join(document, { senderId: 'given-up' });
    const again = slow.join(document, { senderId: 'again' });
    resolve();
    expect(textOf((await again).update)).toBe('ab');
    expect(textOf((await slow.join(document)).update)).toBe('ab');
    expect(slow.calls).toMatchObject({ loads: 1 });
    await slow.close();
  });

  it('go on by the log alone while the store is down, far behind what is cached as well', async () => {
    let isDown = false;
    const failing = await SyncWorld.open({
      store,
      wrapStore: (real) =>
        Object.assign(Object.create(real) as PersistenceAdapter, {
          load: (request: Parameters<PersistenceAdapter['load']>[0]) =>
            isDown ? Promise.reject(new AppError('STORE_UNAVAILABLE')) : real.load(request),
          appendedVersions: (...request: Parameters<PersistenceAdapter['appendedVersions']>) =>
            real.appendedVersions(...request),
        }),
    });
    const document = failing.newDocument();
    const writer = new Writer(1);
    await failing.append(document, writer.type('a'));
    await failing.persist(document);
    await failing.join(document);
    isDown = true;
    await failing.append(document, writer.type(...'x'.repeat(2_500)), { version: 2 });
    const answer = await failing.join(document, { heldAfter: await failing.lastOffset(document) });
    expect(textOf(answer.update)).toBe(writer.text);
    await expect(failing.join(failing.newDocument())).rejects.toMatchObject({ type: 'STORE_UNAVAILABLE' });
    await failing.close();
  });

  it('of one document later are served from the cache, also while log and store are down', async () => {
    let isDown = false;
    const whileUp = <T>(error: 'STORE_UNAVAILABLE' | 'STREAM_UNAVAILABLE', call: () => Promise<T>) =>
      isDown ? Promise.reject(new AppError(error)) : call();
    const failing = await SyncWorld.open({
      store,
      wrapStore: (real) =>
        Object.assign(Object.create(real) as PersistenceAdapter, {
          load: (...request: Parameters<PersistenceAdapter['load']>) =>
            whileUp('STORE_UNAVAILABLE', () => real.load(...request)),
          appendedVersions: (...request: Parameters<PersistenceAdapter['appendedVersions']>) =>
            whileUp('STORE_UNAVAILABLE', () => real.appendedVersions(...request)),
        }),
      wrapStream: (real) =>
        Object.assign(Object.create(real) as Stream, {
          endOffset: (at: TopicPartition) => whileUp('STREAM_UNAVAILABLE', () => real.endOffset(at)),
        }),
    });
    const other = failing.newDocument();
    await failing.append(other, new Writer(1).type('a'));
    await failing.persist(other);
    const first = await failing.join(other, { senderId: 'sender' });
    isDown = true;
    expect((await failing.join(other)).position).toEqual(first.position);
    expect((await failing.join(other, { senderId: 'sender', heard: first.position })).appended).toEqual([
      [1, 1],
    ]);
    await expect(failing.join(other, { heldAfter: 5 })).rejects.toMatchObject({ type: 'STREAM_UNAVAILABLE' });
    await expect(failing.join(other, { senderId: 'z', heard: first.position })).rejects.toMatchObject({
      type: 'STORE_UNAVAILABLE',
    });
    await failing.close();
  });

  it('are served from the cache only while the gateway holds all behind it and has heard of nothing above it', async () => {
    const document = world.newDocument();
    const writer = new Writer(1);
    await world.append(document, writer.type('a'));
    const first = await world.join(document);
    await world.append(document, writer.type('b'), { version: 2 });
    expect((await world.join(document)).position).toEqual(first.position);
    const ahead = { ...first.position, offset: first.position.offset + 1 };
    expect(textOf((await world.join(document, { heard: ahead })).update)).toBe('ab');
    await world.append(document, writer.type('c'), { version: 3 });
    const heldAfter = await world.lastOffset(document);
    expect(textOf((await world.join(document, { heldAfter })).update)).toBe('abc');
    await world.append(document, writer.type('d'), { version: 4 });
    const newer = { ...ahead, offset: await world.lastOffset(document) };
    expect(textOf((await world.join(document, { position: newer })).update)).not.toBe('abc');
    expect(world.calls.loads).toBe(1);
  });

  it('of different documents of one partition share one read of its tail', async () => {
    const document = world.newDocument();
    const documents = times(20, (i) => world.neighbour(document, `doc-${i}`));
    for (const each of documents) await world.append(each, new Writer(1).type('text'));
    const answers = await Promise.all(documents.map((each) => world.join(each)));
    expect(answers.every((answer) => textOf(answer.update) === 'text')).toBe(true);
    expect(world.calls.reads).toBe(1);
    await world.append(document, new Writer(2).type('more'));
    await world.join(document, { heldAfter: await world.lastOffset(document) });
    expect(world.calls.reads).toBe(2);
  });

  it('bring a cached state up to date with what came after it only', async () => {
    const document = world.newDocument();
    const writer = new Writer(1);
    await world.append(document, writer.type(...'abcdefgh'));
    await world.persist(document);
    await world.join(document);
    for (let version = 9; version < 15; version++) {
      await world.append(document, writer.type(String(version)), { version });
      if (version % 2) await world.persist(document);
      const heldAfter = await world.lastOffset(document);
      const answer = await world.join(document, { heldAfter, senderId: 'sender' });
      expect(textOf(answer.update)).toBe(writer.text);
      expect(answer.appended).toEqual([[1, version]]);
    }
    expect(world.calls.loads).toBe(1);
  });

  it('far behind the end go by the store', async () => {
    const document = world.newDocument();
    const writer = new Writer(1);
    await world.append(document, writer.type('a'));
    await world.join(document);
    await world.append(
      world.neighbour(document, 'busy'),
      times(2_500, () => Uint8Array.of(0, 0)),
    );
    await world.append(document, writer.type('b'), { version: 2 });
    await world.persist(document);
    await world.append(document, writer.type('c'), { version: 3 });
    const { reads } = world.calls;
    const heldAfter = await world.lastOffset(document);
    const answer = await world.join(document, { heldAfter, senderId: 'sender' });
    expect(textOf(answer.update)).toBe('abc');
    expect(answer.appended).toEqual([[1, 3]]);
    expect(world.calls.loads).toBe(2);
    expect(world.calls.reads).toBe(reads + 1);
  });
});

describe('the bounds of a join', () => {
  it('a tail beyond the limit is STORE_BEHIND until the store has caught up', async () => {
    const small = await SyncWorld.open({ store, limits: { tailBytes: 4_096 } });
    const document = small.newDocument();
    const writer = new Writer(1);
    for (let version = 1; version < 30; version++)
      await small.append(document, writer.type('x'.repeat(300)), { version });
    await expect(small.join(document)).rejects.toMatchObject({ type: 'STORE_BEHIND', retryable: true });
    await small.persist(document);
    expect(textOf((await small.join(document)).update)).toBe(writer.text);
    await small.close();
  });

  it('computations beyond the concurrency wait, those beyond the waiting room are turned away', async () => {
    let finish = () => {};
    const gate = new Promise<void>((resolve) => (finish = resolve));
    const codec = createInlineCodec();
    const slow = await SyncWorld.open({
      store,
      limits: { joinConcurrency: 1, maxWaiting: 1 },
      codec: { ...codec, fold: async (...request) => (await gate, codec.fold(...request)) },
    });
    const documents = times(3, () => slow.newDocument());
    for (const document of documents) await slow.append(document, new Writer(1).type('a'));
    const joins = documents.map((document) =>
      slow.join(document).then(
        () => 'served',
        (error: AppError) => error.type,
      ),
    );
    // One runs, one waits, and nobody else is served before they are.
    expect(await Promise.race(joins)).toBe('SERVICE_UNAVAILABLE');
    finish();
    expect((await Promise.all(joins)).sort()).toEqual(['SERVICE_UNAVAILABLE', 'served', 'served']);
    await slow.close();
  });

  it('the cache is bounded in bytes', async () => {
    const small = await SyncWorld.open({ store, limits: { cacheBytes: 20_000 } });
    const documents = times(10, () => small.newDocument());
    for (const document of documents) {
      await small.append(document, new Writer(1).type('x'.repeat(1_000)));
      await small.join(document);
      expect(small.source.usage().cachedBytes).toBeLessThanOrEqual(20_000);
    }
    expect(small.source.usage().cachedDocuments).toBeGreaterThan(2);
    await small.close();
  });

  it('no cache at all works too', async () => {
    const bare = await SyncWorld.open({ store, limits: { cacheBytes: 0 } });
    const document = bare.newDocument();
    await bare.append(document, new Writer(1).type('a'));
    await Promise.all(times(20, () => bare.join(document)));
    expect(bare.calls.loads).toBe(1);
    await bare.join(document);
    expect(bare.calls.loads).toBe(2);
    await bare.close();
  });
});
