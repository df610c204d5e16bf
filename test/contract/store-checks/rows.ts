import assert from 'node:assert/strict';
import { documentKey } from '../../../lib/protocol/ids.ts';
import { PERSISTER_CONSUMER } from '../../../lib/store/port.ts';
import { Bench, offsets, type StoreCheck } from './bench.ts';

export const rowChecks: Record<string, StoreCheck> = {
  'rows come back as they were stored, in offset order': async (store) => {
    const b = await Bench.make(store);
    const userId = 'Ünï-用户';
    await b.put(0, [b.update(0, { userId }), b.update(3, { senderId: 'other' })], 5);
    const state = await b.load();
    assert.deepEqual(offsets(state.updates), [0, 3]);
    assert.deepEqual([...state.updates[1]!.payload], [1, 2, 3]);
    assert.equal(state.updates[1]!.senderId, 'other');
    assert.equal(state.updates[1]!.clientVersion, 4);
    assert.equal(state.storedThrough, 4, 'S passes the hole at the end of the batch');
    assert.equal(state.generation, 1);
    assert.equal(state.generationStartOffset, -1);
    assert.equal(state.snapshot, undefined);
    const [row] = await b.history();
    assert.equal(row!.userId, userId);
    assert.equal(row!.atMs, 1_790_000_000_000);
    assert.deepEqual(row!.metadata, { docId: 'd', extra: { nested: [0] } });
  },

  'a row keeps which connection brought it and where that came from, also in quarantine': async (store) => {
    const b = await Bench.make(store);
    const origin = { connectionId: 'c1', clientAddress: '2001:db8::1' };
    await b.put(0, [b.update(0, origin), b.update(1)]);
    const [row, without] = await b.history();
    assert.deepEqual([row!.connectionId, row!.clientAddress], ['c1', '2001:db8::1']);
    assert.ok(!('connectionId' in without!) && !('clientAddress' in without!));
    await b.put(2, [b.update(2, { ...origin, generation: 9 })]);
    const quarantined = await store.readQuarantined({ epoch: b.epoch, partition: b.partition, offset: 2 });
    assert.deepEqual([quarantined!.headers.i, quarantined!.headers.a], ['c1', '2001:db8::1']);
  },

  'a document that was never stored loads as generation 1, empty': async (store) => {
    const b = await Bench.make(store);
    const state = await b.load();
    assert.deepEqual(state, {
      generation: 1,
      generationStartOffset: -1,
      deleted: false,
      updates: [],
      storedThrough: -1,
    });
    assert.equal(await b.position(), 0);
  },

  'an empty batch moves the position over a hole': async (store) => {
    const b = await Bench.make(store);
    await b.put(0, [], 7);
    assert.equal(await b.position(), 7);
  },

  'a batch that begins behind the position is not taken, and is told where to go on': async (store) => {
    const b = await Bench.make(store);
    await b.put(0, [b.update(0), b.update(1)]);
    const again = await store.storeBatch(b.batch(0, [b.update(0), b.update(1), b.update(2)]));
    assert.deepEqual([again.outcome, again.nextOffset], ['moved', 2]);
    const ahead = await store.storeBatch(b.batch(5, [b.update(5)]));
    assert.deepEqual([ahead.outcome, ahead.nextOffset], ['moved', 2]);
    assert.deepEqual(offsets((await b.load()).updates), [0, 1]);
  },

  'of two batches for one position exactly one is stored': async (store) => {
    const b = await Bench.make(store);
    const results = await Promise.all(
      [1, 2, 3, 4].map((n) => store.storeBatch(b.batch(0, [b.update(0, { senderId: `s${n}` })]))),
    );
    assert.deepEqual(results.map((r) => r.outcome).sort(), ['moved', 'moved', 'moved', 'stored']);
    assert.equal((await b.load()).updates.length, 1);
  },

  'consumers and partitions have positions of their own': async (store) => {
    const b = await Bench.make(store);
    await b.put(0, [b.update(0)]);
    await store.storeBatch({ ...b.batch(0, [], 9), consumer: 'history' });
    assert.equal(await b.position(), 1);
    assert.equal(await store.nextOffset('history', b.epoch, b.partition), 9);
    assert.equal(await store.nextOffset(PERSISTER_CONSUMER, b.epoch, 0), 0);
  },

  'of repeats in one batch only the first has a payload': async (store) => {
    const b = await Bench.make(store);
    const result = await b.put(0, [b.update(0, { clientVersion: 5 }), b.update(1, { clientVersion: 5 })]);
    assert.deepEqual(offsets((await b.load()).updates), [0]);
    const rows = await b.history();
    assert.deepEqual(
      rows.map((row) => row.repeatOf),
      [undefined, 0],
    );
    assert.equal(rows[1]!.payload.byteLength, 0);
    assert.equal(result.touched.get(documentKey(b.document))!.updates, 1);
  },

  'of repeats across batches only the first has a payload': async (store) => {
    const b = await Bench.make(store);
    await b.put(0, [b.update(0, { clientVersion: 5, userId: 'u' })]);
    await b.put(1, [
      b.update(1, { clientVersion: 5, userId: 'u' }),
      b.update(2, { clientVersion: 6, userId: 'u' }),
    ]);
    assert.deepEqual(offsets((await b.load()).updates), [0, 2]);
    assert.deepEqual(
      (await b.history()).map((row) => row.repeatOf),
      [undefined, 0, undefined],
    );
  },

  'an update with another user, sender or document is no repeat': async (store) => {
    const b = await Bench.make(store);
    const subdocument = { ...b.document, subdocId: 'sub' };
    await b.put(0, [
      b.update(0, { clientVersion: 1 }),
      b.update(1, { clientVersion: 1, userId: 'u' }),
      b.update(2, { clientVersion: 1, senderId: 'other' }),
      b.update(3, { clientVersion: 1, document: subdocument }),
    ]);
    assert.deepEqual(offsets((await b.load()).updates), [0, 1, 2]);
    const sub = await store.load({ document: subdocument, epoch: b.epoch, partition: b.partition });
    assert.deepEqual(offsets(sub.updates), [3]);
  },

  'updates whose writer does not count (version 0) are never repeats': async (store) => {
    const b = await Bench.make(store);
    await b.put(0, [b.update(0, { clientVersion: 0 }), b.update(1, { clientVersion: 0 })]);
    assert.deepEqual(offsets((await b.load()).updates), [0, 1]);
  },

  'prepare may be called again, by several at once': async (store) => {
    await Promise.all([store.prepare(), store.prepare()]);
  },

  'it answers a ping': async (store) => {
    assert.equal(await store.ping(300_000), true);
  },
};
