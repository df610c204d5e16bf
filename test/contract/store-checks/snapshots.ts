import assert from 'node:assert/strict';
import { Bench, offsets, type StoreCheck } from './bench.ts';

export const snapshotChecks: Record<string, StoreCheck> = {
  'resume: only rows after the offset, without snapshot': async (store) => {
    const b = await Bench.make(store);
    await b.put(
      0,
      [0, 1, 2, 3].map((n) => b.update(n)),
    );
    assert.equal(await store.persistSnapshot(b.snapshot(2)), true);
    const state = await b.load(0);
    assert.equal(state.snapshot, undefined);
    assert.deepEqual(offsets(state.updates), [1, 2, 3]);
  },

  'a snapshot is loaded with the rows after it, and rows stay': async (store) => {
    const b = await Bench.make(store);
    await b.put(
      0,
      [0, 1, 2, 3].map((n) => b.update(n)),
    );
    assert.equal(await store.persistSnapshot(b.snapshot(1)), true);
    const state = await b.load();
    assert.equal(state.snapshot!.throughOffset, 1);
    assert.deepEqual([...state.snapshot!.data], [9, 1]);
    assert.deepEqual([...state.snapshot!.stateVector], [8]);
    assert.deepEqual(offsets(state.updates), [2, 3]);
    assert.deepEqual(offsets(await b.history()), [0, 1, 2, 3]);
  },

  'a large snapshot comes back byte for byte, in memory that belongs to the caller': async (store) => {
    const b = await Bench.make(store);
    await b.put(0, [b.update(0)]);
    const data = Uint8Array.from({ length: 2_500_001 }, (_, index) => (index * 31 + (index >> 8)) & 0xff);
    assert.equal(await store.persistSnapshot(b.snapshot(0, { data })), true);
    const first = (await b.load()).snapshot!.data;
    assert.equal(Buffer.compare(first, data), 0);
    first.fill(0);
    assert.equal(Buffer.compare((await b.load()).snapshot!.data, data), 0);
  },

  'a snapshot is written only if it covers more than the one there': async (store) => {
    const b = await Bench.make(store);
    await b.put(
      0,
      [0, 1, 2, 3].map((n) => b.update(n)),
    );
    assert.equal(await store.persistSnapshot(b.snapshot(2)), true);
    assert.equal(await store.persistSnapshot(b.snapshot(2)), false);
    assert.equal(await store.persistSnapshot(b.snapshot(1)), false);
    assert.equal(await store.persistSnapshot(b.snapshot(3)), true);
    assert.equal((await b.load()).snapshot!.throughOffset, 3);
  },

  'a snapshot never covers what is not stored': async (store) => {
    const b = await Bench.make(store);
    assert.equal(await store.persistSnapshot(b.snapshot(0)), false);
    await b.put(0, [b.update(0)]);
    assert.equal(await store.persistSnapshot(b.snapshot(1)), false);
    assert.equal(await store.persistSnapshot(b.snapshot(0)), true);
  },

  'a snapshot of an earlier generation is neither written nor loaded': async (store) => {
    const b = await Bench.make(store);
    await b.put(0, [b.update(0), b.update(1)]);
    assert.equal(await store.persistSnapshot(b.snapshot(0)), true);
    await b.put(2, [b.barrier(2, 2), b.update(3, { generation: 2 })]);
    assert.equal(await store.persistSnapshot(b.snapshot(1)), false);
    assert.equal(await store.persistSnapshot(b.snapshot(1, { generation: 2 })), false);
    const state = await b.load();
    assert.equal(state.snapshot, undefined);
    assert.deepEqual(offsets(state.updates), [3]);
  },

  'superseded snapshots are trimmed, the newest stays': async (store) => {
    const b = await Bench.make(store);
    await b.put(
      0,
      [0, 1, 2].map((n) => b.update(n)),
    );
    for (const n of [0, 1, 2]) await store.persistSnapshot(b.snapshot(n));
    assert.ok((await store.trimSnapshots()) >= 2);
    const state = await b.load();
    assert.equal(state.snapshot!.throughOffset, 2);
    assert.equal((await b.history()).length, 3, 'history rows are never trimmed');
  },

  'the debt of a document counts what lies behind its snapshot': async (store) => {
    const b = await Bench.make(store);
    assert.equal(await store.snapshotDebt(b.document), undefined);
    await b.put(
      0,
      [0, 1, 2].map((n) => b.update(n)),
    );
    const debt = (await store.snapshotDebt(b.document))!;
    assert.deepEqual([debt.updates, debt.bytes, debt.snapshotBytes, debt.generation], [3, 9, 0, 1]);
    assert.deepEqual([debt.epoch, debt.partition], [b.epoch, b.partition]);
    assert.ok(debt.ageMs >= 0 && debt.ageMs < 600_000, 'the age is by the clock of the store');
    await store.persistSnapshot(b.snapshot(1));
    const rest = (await store.snapshotDebt(b.document))!;
    assert.deepEqual([rest.updates, rest.bytes, rest.snapshotBytes], [1, 3, 2]);
    await store.persistSnapshot(b.snapshot(2));
    assert.equal(await store.snapshotDebt(b.document), undefined);
    await b.put(3, [b.update(3), b.barrier(4, 2)]);
    assert.equal(await store.snapshotDebt(b.document), undefined, 'a new generation owes nothing');
    await b.put(5, [b.update(5, { generation: 2 })]);
    const found = (await store.snapshotDebts(100_000)).find((d) => d.document.roomId === b.document.roomId)!;
    assert.deepEqual([found.updates, found.snapshotBytes, found.generation], [1, 0, 2]);
  },
};
