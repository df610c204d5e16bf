import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Bench, identityOf, rejectsWith, type StoreCheck } from './bench.ts';

export const epochChecks: Record<string, StoreCheck> = {
  'an epoch is given once to an identity, whoever asks': async (store) => {
    const identity = identityOf(`topic-${randomUUID()}`);
    const epochs = await Promise.all([1, 2, 3, 4].map(() => store.epochOf(identity)));
    assert.equal(new Set(epochs).size, 1);
    assert.notEqual(await store.epochOf(identityOf(`topic-${randomUUID()}`)), epochs[0]);
  },

  'a known topic with another identity or partition count is refused until it is adopted': async (store) => {
    const first = identityOf(`topic-${randomUUID()}`);
    const epoch = await store.epochOf(first);
    const second = { ...first, topicId: randomUUID() };
    await rejectsWith('STREAM_IDENTITY_CHANGED', store.epochOf(second));
    await rejectsWith('STREAM_IDENTITY_CHANGED', store.epochOf({ ...first, clusterId: 'elsewhere' }));
    await rejectsWith('STREAM_PARTITIONS_CHANGED', store.epochOf({ ...first, partitions: 5 }));
    const adopted = await store.adoptEpoch(second);
    assert.ok(adopted > epoch);
    assert.equal(await store.adoptEpoch(second), adopted);
    assert.equal(await store.epochOf(second), adopted);
    await rejectsWith('STREAM_IDENTITY_CHANGED', store.epochOf(first));
  },

  'an adopted epoch goes on with what earlier ones stored': async (store) => {
    const first = identityOf(`topic-${randomUUID()}`);
    const b = await Bench.make(store);
    const epoch = await store.epochOf(first);
    await store.storeBatch({ ...b.batch(0, [b.update(0), b.update(1)]), epoch });
    await store.persistSnapshot(b.snapshot(0, { epoch }));
    const next = await store.adoptEpoch({ ...first, topicId: randomUUID() });
    await store.storeBatch({ ...b.batch(0, [b.update(0, { clientVersion: 9 })]), epoch: next });
    const state = await store.load({ document: b.document, epoch: next, partition: b.partition });
    assert.equal(state.snapshot!.epoch, epoch);
    assert.deepEqual(
      state.updates.map((row) => [row.epoch, row.offset]),
      [
        [epoch, 1],
        [next, 0],
      ],
    );
    assert.equal(state.storedThrough, 0);
    const sender = { senderId: 'sender', epoch: next, throughOffset: -1 };
    assert.deepEqual(await store.appendedVersions(b.document, 1, sender), [[1, 2]]);
    assert.equal(await store.persistSnapshot(b.snapshot(0, { epoch: next })), true);
    const folded = await store.load({ document: b.document, epoch: next, partition: b.partition });
    assert.equal(folded.snapshot!.epoch, next);
    assert.equal(folded.updates.length, 0);
  },

  "a debt of an epoch that another has followed is nobody's own, until a snapshot pays it": async (store) => {
    const first = identityOf(`topic-${randomUUID()}`);
    const b = await Bench.make(store);
    const epoch = await store.epochOf(first);
    await store.storeBatch({ ...b.batch(0, [b.update(0)]), epoch });
    const own = (await store.snapshotDebt(b.document))!;
    assert.deepEqual([own.epoch, own.isOfPastEpoch], [epoch, false]);
    const next = await store.adoptEpoch({ ...first, topicId: randomUUID() });
    await store.epochOf(identityOf(`topic-${randomUUID()}`));
    const past = (await store.snapshotDebt(b.document))!;
    assert.deepEqual([past.epoch, past.isOfPastEpoch], [epoch, true]);
    assert.equal(await store.persistSnapshot(b.snapshot(0, { epoch })), true);
    assert.equal(await store.snapshotDebt(b.document), undefined);
    await store.storeBatch({ ...b.batch(0, [b.update(0, { clientVersion: 9 })]), epoch: next });
    assert.equal((await store.snapshotDebt(b.document))!.isOfPastEpoch, false);
  },
};
