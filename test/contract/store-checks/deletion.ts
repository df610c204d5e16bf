import assert from 'node:assert/strict';
import { documentKey } from '../../../lib/protocol/ids.ts';
import { Bench, offsets, type StoreCheck } from './bench.ts';

export const deletionChecks: Record<string, StoreCheck> = {
  'a deletion ends all reading at once, and takes the content away in bounded steps': async (store) => {
    const b = await Bench.make(store);
    const unreadable = {
      kind: 'quarantine',
      document: b.document,
      reason: 'x',
      key: 'k',
      headers: {},
    } as const;
    await b.put(0, [...Array.from({ length: 5 }, (_, n) => b.update(n)), b.update(5, { clientVersion: 1 })]);
    assert.equal(await store.persistSnapshot(b.snapshot(4)), true);
    await b.put(6, [
      { ...unreadable, offset: 6, value: Uint8Array.of(1) },
      b.barrier(7, 2, 'deleted'),
      { ...unreadable, offset: 8, value: Uint8Array.of(2) },
    ]);
    const state = await b.load();
    assert.deepEqual([state.snapshot, state.updates], [undefined, []]);
    assert.deepEqual([await b.history(-1), await b.history(), await b.versions(9)], [[], [], []]);
    assert.equal(
      await store.persistSnapshot(b.snapshot(8, { generation: 2 })),
      false,
      'nothing resurrects it',
    );
    assert.equal(await store.persistSnapshot(b.snapshot(5)), false);
    await b.put(9, [b.barrier(9, 3, 'recreated'), b.update(10, { generation: 3 }), b.update(11)]);
    const late = await store.listQuarantined({ documentKey: documentKey(b.document), limit: 10 });
    assert.deepEqual(
      late.filter(({ offset }) => offset > 7).map(({ offset, bytes }) => [offset, bytes]),
      [
        [8, 0],
        [11, 0],
      ],
      'what came behind it is counted, without its bytes',
    );
    const [deletion] = await b.removeAll(2);
    assert.equal(deletion!.generation, 2);
    const { rows, bytes, snapshots, quarantined, completedAtMs } = deletion!.removed!;
    assert.deepEqual([rows, bytes, snapshots, quarantined], [6, 15, 1, 1]);
    assert.ok(completedAtMs! > 0);
    const made = await b.load();
    assert.deepEqual([made.deleted, offsets(made.updates)], [false, [10]], 'what came after it stays');
    assert.deepEqual(await b.history(-1), [], 'an old generation does not come back by a new one');
  },

  'what a batch brings of a deleted document after its rows is removed with them, in order': async (
    store,
  ) => {
    const b = await Bench.make(store);
    await b.put(0, [b.update(0), b.barrier(1, 2, 'deleted'), b.update(2), b.update(3, { generation: 2 })]);
    const [deletion] = await b.removeAll(1000);
    assert.deepEqual([deletion!.removed!.rows, deletion!.removed!.bytes], [1, 3]);
    assert.deepEqual(await b.history(-1), []);
  },

  'a removal that was cut off goes on, by several at once, and counts everything once': async (store) => {
    const b = await Bench.make(store);
    await b.put(0, [...Array.from({ length: 9 }, (_, n) => b.update(n)), b.barrier(9, 2, 'deleted')]);
    await store.removeDeleted(2);
    await Promise.all([b.removeAll(2), b.removeAll(3)]);
    assert.equal((await b.lifecycle()).generations[0]!.removed!.rows, 9);
  },

  'generations stay as evidence: which operation, who, when and where': async (store) => {
    const b = await Bench.make(store);
    assert.deepEqual(await b.lifecycle(), {
      generation: 1,
      deleted: false,
      deletedGeneration: 0,
      generations: [],
      storedThrough: -1,
    });
    const origin = { key: 'k1', senderId: 's', userId: 'Ünï', atMs: 1_790_000_000_123, parts: 3 };
    await b.put(0, [
      { ...b.barrier(0, 2, 'restored'), origin },
      { ...b.barrier(1, 2, 'deleted'), origin: { ...origin, key: 'without effect' } },
      b.barrier(2, 5, 'deleted'),
      { ...b.barrier(3, 6, 'recreated'), origin: { senderId: 'x', atMs: 5 } },
    ]);
    const { epoch, partition } = b;
    const found = await b.lifecycle();
    assert.deepEqual(
      [found.generation, found.deleted, found.deletedGeneration, found.storedThrough],
      [6, false, 5, 3],
    );
    const [made, deleted, restored] = found.generations;
    assert.deepEqual(made, {
      generation: 6,
      reason: 'recreated',
      epoch,
      partition,
      offset: 3,
      senderId: 'x',
      atMs: 5,
    });
    assert.deepEqual([deleted!.generation, deleted!.offset, deleted!.key], [5, 2, undefined]);
    assert.deepEqual(restored, { generation: 2, reason: 'restored', epoch, partition, offset: 0, ...origin });
  },
};
