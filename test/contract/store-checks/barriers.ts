import assert from 'node:assert/strict';
import { Bench, offsets, type StoreCheck } from './bench.ts';

export const barrierChecks: Record<string, StoreCheck> = {
  'behind a barrier the older generation is quarantined, before it it is stored': async (store) => {
    const b = await Bench.make(store);
    const before = await store.countQuarantined();
    await b.put(0, [
      b.update(0),
      b.barrier(1, 2),
      b.update(2),
      b.update(3, { generation: 2 }),
      b.update(4, { generation: 7 }),
    ]);
    const state = await b.load();
    assert.deepEqual(offsets(state.updates), [3]);
    assert.equal(state.generation, 2);
    assert.equal(state.generationStartOffset, 1);
    assert.equal(state.deleted, false);
    assert.deepEqual(offsets(await b.history(-1)), [0], 'the rows of generation 1 stay');
    assert.ok((await store.countQuarantined()) >= before + 2);
    assert.deepEqual(await b.versions(10, 'sender', 1), [[1, 1]]);
  },

  'a barrier of an earlier batch holds for later ones': async (store) => {
    const b = await Bench.make(store);
    await b.put(0, [b.update(0), b.barrier(1, 3)]);
    await b.put(2, [b.update(2), b.update(3, { generation: 3 })]);
    assert.deepEqual(offsets((await b.load()).updates), [3]);
  },

  'a barrier that does not raise the generation is without effect': async (store) => {
    const b = await Bench.make(store);
    await b.put(0, [b.barrier(0, 2), b.update(1, { generation: 2 }), b.barrier(2, 2), b.barrier(3, 1)]);
    const state = await b.load();
    assert.equal(state.generationStartOffset, 0);
    assert.deepEqual(offsets(state.updates), [1]);
  },

  'a barrier that deletes sets the tombstone, the next one takes it away': async (store) => {
    const b = await Bench.make(store);
    await b.put(0, [b.update(0), b.barrier(1, 2, 'deleted')]);
    const deleted = await b.load();
    assert.deepEqual([deleted.deleted, deleted.generation, deleted.updates.length], [true, 2, 0]);
    await b.put(2, [b.update(2, { generation: 2 })]);
    assert.deepEqual(offsets((await b.load()).updates), [], 'nobody writes into what does not exist');
    assert.equal(await store.snapshotDebt(b.document), undefined, 'and owes no snapshot');
    await b.put(3, [b.barrier(3, 3, 'recreated'), b.update(4, { generation: 3 })]);
    const made = await b.load();
    assert.deepEqual([made.deleted, made.generation, offsets(made.updates)], [false, 3, [4]]);
  },
};
