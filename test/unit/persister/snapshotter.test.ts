import { describe, expect, it } from '@jest/globals';
import { AppError } from '../../../lib/errors.ts';
import { INAPPLICABLE } from '../../../lib/store/operations.ts';
import { waitFor } from '../../support/wait.ts';
import { documentOf, setUp } from './snapshotter-world.ts';

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

  it('sets aside what a fold could not apply before its snapshot is written, once, and says so', async () => {
    const place = { epoch: 1, partition: 0, offset: 3 };
    const countWhenWritten: number[] = [];
    const { put, snapshotter, store, debt, quarantined } = setUp({
      fold: (fold) => async (request) => {
        const folded = await fold(request);
        return folded && { ...folded, rejected: [place] };
      },
    });
    const persistSnapshot = store.persistSnapshot.bind(store);
    store.persistSnapshot = async (snapshot) => {
      countWhenWritten.push(await store.countQuarantined());
      return persistSnapshot(snapshot);
    };
    await put('a', 5);
    expect(await snapshotter.make(documentOf('a'))).toBe(true);
    expect(countWhenWritten).toEqual([1]);
    expect(await store.listQuarantined({ limit: 10 })).toMatchObject([{ ...place, reason: INAPPLICABLE }]);
    expect(await debt('a')).toBeUndefined();
    // The row is left out of what is loaded, not out of the history.
    const offsets: number[] = [];
    for await (const row of store.exportHistory(documentOf('a'))) offsets.push(row.offset);
    expect(offsets).toEqual([0, 1, 2, 3, 4]);
    expect(quarantined).toEqual([1]);
    // A fold that finds the same again adds nothing; so does a rebuild.
    expect(await snapshotter.rebuild({ document: documentOf('a'), epoch: 1, partition: 0 })).toBe('rebuilt');
    expect(quarantined).toEqual([1]);
  });

  it('sets aside what a rebuild could not apply', async () => {
    const { put, snapshotter, store, quarantined } = setUp({
      fold: (fold) => async (request) => {
        const folded = await fold(request);
        return folded && { ...folded, rejected: [{ epoch: 1, partition: 0, offset: 0 }] };
      },
    });
    await put('a', 2);
    await snapshotter.rebuild({ document: documentOf('a'), epoch: 1, partition: 0 });
    expect(await store.countQuarantined()).toBe(1);
    expect(quarantined).toEqual([1]);
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
