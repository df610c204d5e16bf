import { describe, expect, it } from '@jest/globals';
import { systemClock, type Clock } from '../../../lib/clock.ts';
import { AppError } from '../../../lib/errors.ts';
import { silentLogger } from '../../../lib/log.ts';
import type { FoldRequest, FoldResult } from '../../../lib/persister/folder.ts';
import { Snapshotter } from '../../../lib/persister/snapshotter.ts';
import type { DocumentId } from '../../../lib/protocol/ids.ts';
import { MemoryStore } from '../../../lib/store/memory.ts';
import { PERSISTER_CONSUMER } from '../../../lib/store/port.ts';
import { SnapshotPolicy } from '../../../lib/store/snapshot-policy.ts';
import { waitFor } from '../../support/wait.ts';

const documentOf = (name: string): DocumentId => ({ tenantId: 't', roomId: name, docId: 'd' });

type Fold = (request: FoldRequest) => Promise<FoldResult | undefined>;

function setUp(options: { fold?: (fold: Fold) => Fold; isAssigned?: (epoch: number) => boolean } = {}) {
  let timeMs = 0;
  const clock: Clock = { ...systemClock, now: () => timeMs, wallTime: () => timeMs };
  const store = new MemoryStore({ clock });
  const folds: string[] = [];
  const written: number[] = [];
  let running = 0;
  let mostAtOnce = 0;
  const foldStored: Fold = async ({ document, epoch, partition }) => {
    folds.push(document.roomId);
    mostAtOnce = Math.max(mostAtOnce, ++running);
    const { generation, storedThrough } = await store.load({ document, epoch, partition });
    await new Promise((resolve) => setImmediate(resolve));
    running--;
    const position = { generation, epoch, partition, offset: storedThrough };
    return { position, update: Uint8Array.of(1), stateVector: Uint8Array.of(2) };
  };
  const snapshotter = new Snapshotter({
    store,
    folder: { fold: options.fold ? options.fold(foldStored) : foldStored },
    policy: new SnapshotPolicy({
      snapshotUpdates: 10,
      snapshotBytes: 1e6,
      snapshotAgeMs: 60_000,
      snapshotBurstMs: 0,
    }),
    clock,
    logger: silentLogger,
    isAssigned: options.isAssigned ?? (() => true),
    sweepMs: 1e6,
    onWritten: (bytes) => written.push(bytes),
  });
  let next = 0;
  const put = async (name: string, count: number) => {
    const records = Array.from({ length: count }, (_, n) => ({
      kind: 'update' as const,
      offset: next + n,
      document: documentOf(name),
      generation: 1,
      senderId: 's',
      clientVersion: next + n + 1,
      atMs: 0,
      metadata: {},
      payload: Uint8Array.of(7),
    }));
    const place = { consumer: PERSISTER_CONSUMER, epoch: 1, partition: 0 };
    const { touched } = await store.storeBatch({
      ...place,
      fetchOffset: next,
      nextOffset: next + count,
      records,
    });
    next += count;
    snapshotter.note(touched);
  };
  const idle = () =>
    waitFor(() => {
      const { folding, waiting } = snapshotter.usage();
      return folding + waiting === 0;
    });
  const debt = (name: string) => store.snapshotDebt(documentOf(name));
  return {
    store,
    snapshotter,
    folds,
    written,
    put,
    idle,
    debt,
    most: () => mostAtOnce,
    pass: (ms: number) => {
      timeMs += ms;
    },
  };
}

describe('Snapshotter', () => {
  it('makes a snapshot once enough updates lie behind the last one', async () => {
    const { put, debt, folds, written, idle } = setUp();
    await put('a', 6);
    await put('a', 3);
    expect(folds).toEqual([]);
    await put('a', 1);
    await waitFor(() => folds.length > 0);
    await idle();
    expect(folds).toEqual(['a']);
    expect(written).toEqual([1]);
    expect(await debt('a')).toBeUndefined();
  });

  it('makes one of old updates with the next sweep', async () => {
    const { put, pass, snapshotter, folds, idle } = setUp();
    await put('a', 1);
    await snapshotter.sweep();
    expect(folds).toEqual([]);
    pass(60_000);
    await snapshotter.sweep();
    await idle();
    expect(folds).toEqual(['a']);
  });

  it('folds two documents at a time and each once', async () => {
    const { put, pass, snapshotter, folds, idle, most } = setUp();
    for (const name of ['a', 'b', 'c', 'd', 'e']) await put(name, 1);
    pass(60_000);
    await snapshotter.sweep();
    await snapshotter.sweep();
    await idle();
    expect(folds.sort()).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(most()).toBe(2);
  });

  it('leaves the documents of other members alone', async () => {
    const { put, pass, snapshotter, folds } = setUp({ isAssigned: () => false });
    await put('a', 20);
    pass(60_000);
    await snapshotter.sweep();
    expect(folds).toEqual([]);
  });

  it('folds what a log left behind whose topic has a newer epoch, so that it is not the oldest debt for ever', async () => {
    const { put, pass, snapshotter, store, folds, idle, debt } = setUp({
      isAssigned: (epoch) => epoch === 2,
    });
    const identity = { topic: 'yjs-doc', topicId: 'first', clusterId: 'c', partitions: 1 };
    expect(await store.epochOf(identity)).toBe(1);
    await put('quiet', 1);
    pass(60_000);
    await snapshotter.sweep();
    expect(folds).toEqual([]);
    expect(await store.adoptEpoch({ ...identity, topicId: 'second' })).toBe(2);
    await snapshotter.sweep();
    await idle();
    expect(folds).toEqual(['quiet']);
    expect(await debt('quiet')).toBeUndefined();
  });

  it('tries a failed one again, later each time, and goes on with the others meanwhile', async () => {
    let failures = 2;
    const { put, pass, snapshotter, folds, idle, debt } = setUp({
      fold: (fold) => (request) => {
        if (request.document.roomId !== 'bad' || failures-- <= 0) return fold(request);
        return Promise.reject(new AppError('CODEC_FAILED'));
      },
    });
    await put('bad', 10);
    await put('good', 10);
    await waitFor(() => snapshotter.usage().failing === 1);
    await idle();
    expect(folds).toEqual(['good']);
    await snapshotter.sweep();
    await idle();
    expect(failures).toBe(1);
    pass(5_000);
    await snapshotter.sweep();
    await idle();
    expect(failures).toBe(0);
    pass(5_000);
    await snapshotter.sweep();
    await idle();
    expect(await debt('bad')).toBeDefined();
    pass(5_000);
    await snapshotter.sweep();
    await idle();
    expect(await debt('bad')).toBeUndefined();
    expect(snapshotter.usage().failing).toBe(0);
  });

  it('makes one when asked, and tells when there is nothing to do', async () => {
    const { put, snapshotter } = setUp();
    await put('a', 1);
    expect(await snapshotter.make(documentOf('a'))).toBe(true);
    expect(await snapshotter.make(documentOf('a'))).toBe(false);
    expect(await snapshotter.make(documentOf('unknown'))).toBe(false);
  });

  it('trims superseded snapshots now and then', async () => {
    const { put, snapshotter, store } = setUp();
    for (let n = 0; n < 3; n++) {
      await put('a', 1);
      await snapshotter.make(documentOf('a'));
    }
    for (let n = 0; n < 10; n++) await snapshotter.sweep();
    expect(await store.trimSnapshots()).toBe(0);
  });

  it('starts no more once it is stopped', async () => {
    const { put, pass, snapshotter, folds } = setUp();
    await put('a', 1);
    pass(60_000);
    await snapshotter.stop();
    await snapshotter.sweep();
    expect(folds).toEqual([]);
  });
});
