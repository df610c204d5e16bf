import assert from 'node:assert/strict';
import { decodeMessage, tryDecodeSync } from '../../../lib/protocol/envelope.ts';
import { documentKey } from '../../../lib/protocol/ids.ts';
import { createMetadata } from '../../../lib/protocol/metadata.ts';
import type { IncomingQuarantine } from '../../../lib/store/port.ts';
import { Bench, offsets, rejectsWith, type StoreCheck } from './bench.ts';

const quarantined = (
  b: Bench,
  offset: number,
  fields: Partial<IncomingQuarantine> = {},
): IncomingQuarantine => ({
  kind: 'quarantine',
  offset,
  document: b.document,
  reason: 'BAD_UPDATE',
  key: documentKey(b.document),
  value: new Uint8Array(100).fill(offset),
  headers: { s: 'sender' },
  ...fields,
});

const placeOf = (b: Bench, offset: number) => ({ epoch: b.epoch, partition: b.partition, offset });

export const operationChecks: Record<string, StoreCheck> = {
  'quarantined records are listed in pages, by place and document, without their content': async (store) => {
    const b = await Bench.make(store);
    const other = { ...b.document, docId: 'other' };
    await b.put(0, [quarantined(b, 0), quarantined(b, 1, { document: other }), quarantined(b, 2)]);
    const key = documentKey(b.document);
    const after = placeOf(b, -1);
    const page = await store.listQuarantined({ after, limit: 2 });
    assert.deepEqual(offsets(page), [0, 1]);
    const [first] = page;
    assert.deepEqual(
      [first!.epoch, first!.partition, first!.reason, first!.documentKey, first!.key, first!.bytes],
      [b.epoch, b.partition, 'BAD_UPDATE', key, key, 100],
    );
    assert.equal(first!.head.byteLength, 64);
    assert.ok(first!.atMs > 0);
    assert.equal('value' in first!, false);
    assert.deepEqual(offsets(await store.listQuarantined({ after: page[1]!, limit: 1 })), [2]);
    assert.deepEqual(offsets(await store.listQuarantined({ documentKey: key, limit: 10 })), [0, 2]);
    const whole = (await store.readQuarantined(placeOf(b, 2)))!;
    assert.deepEqual([...whole.value], Array(100).fill(2));
    assert.deepEqual(whole.headers, { s: 'sender' });
    assert.equal(await store.readQuarantined(placeOf(b, 9)), undefined);
  },

  'stored updates that no client can apply are set aside: kept, quarantined, left out of loads': async (
    store,
  ) => {
    const b = await Bench.make(store);
    const key = documentKey(b.document);
    const metadata = createMetadata({ ...b.document, senderId: 'sender', version: 2, timestamp: 0 });
    await b.put(0, [b.update(0), b.update(1, { metadata }), b.update(2)]);
    const places = [placeOf(b, 1), placeOf(b, 9)];
    const foreign = { ...b.document, docId: 'foreign' };
    assert.equal(await store.quarantineStored(foreign, places), 0, 'of another document');
    assert.equal(await store.quarantineStored(b.document, places), 1);
    assert.equal(await store.quarantineStored(b.document, places), 0, 'idempotent');
    assert.deepEqual(offsets((await b.load()).updates), [0, 2]);
    assert.deepEqual(offsets((await b.load(0)).updates), [2]);
    assert.deepEqual(offsets(await b.history()), [0, 1, 2], 'the history keeps it');
    const [listed] = await store.listQuarantined({ documentKey: key, limit: 10 });
    assert.deepEqual([listed!.offset, listed!.reason], [1, 'inapplicable']);
    const record = (await store.readQuarantined(placeOf(b, 1)))!;
    const envelope = decodeMessage(record.value);
    assert.equal(envelope.metadata.senderId, b.update(1).senderId);
    const sync = tryDecodeSync(envelope.content);
    assert.ok(sync.ok);
    assert.deepEqual([...sync.value.body], [...b.update(1).payload]);
    await store.markReplayed(placeOf(b, 1));
    assert.deepEqual(offsets((await b.load()).updates), [0, 1, 2], 'an operator wants it tried again');
  },

  'a replayed record stands at its own place, once, and is no longer counted': async (store) => {
    const b = await Bench.make(store);
    const key = documentKey(b.document);
    await b.put(0, [b.update(0), quarantined(b, 1), b.update(2)]);
    const place = placeOf(b, 1);
    const update = b.update(1, { userId: 'u' });
    assert.deepEqual(await store.replayQuarantined(place, update), { outcome: 'stored', isRepeat: false });
    assert.deepEqual(await store.replayQuarantined(place, update), { outcome: 'known', isRepeat: false });
    assert.deepEqual(offsets((await b.load()).updates), [0, 1, 2]);
    assert.equal(await b.position(), 3, 'the position stays');
    assert.equal((await store.listQuarantined({ documentKey: key, limit: 10 })).length, 1);
    await store.markReplayed(place);
    const [row] = await store.listQuarantined({ documentKey: key, limit: 10, replayed: true });
    const { replayedAtMs } = row!;
    assert.ok(replayedAtMs! > 0);
    await store.markReplayed(place);
    assert.equal((await store.readQuarantined(place))!.replayedAtMs, replayedAtMs);
    assert.deepEqual(await store.listQuarantined({ documentKey: key, limit: 10 }), []);
  },

  'a replay is a repeat where the update came again, and no row of another generation': async (store) => {
    const b = await Bench.make(store);
    await b.put(0, [quarantined(b, 0), quarantined(b, 1), b.update(2, { clientVersion: 7 })]);
    const again = b.update(0, { clientVersion: 7 });
    assert.deepEqual(await store.replayQuarantined(placeOf(b, 0), again), {
      outcome: 'stored',
      isRepeat: true,
    });
    assert.deepEqual(offsets((await b.load()).updates), [2]);
    await b.put(3, [b.barrier(3, 2), b.update(4, { generation: 2 })]);
    // It was before the barrier, whatever generation it says.
    for (const generation of [1, 2, 3]) {
      const update = b.update(1, { generation, clientVersion: 50 });
      const result = await store.replayQuarantined(placeOf(b, 1), update);
      assert.equal(result.outcome, 'refused');
    }
    assert.deepEqual(offsets((await b.load()).updates), [4]);
    const nothing = await store.replayQuarantined(placeOf(b, 4), b.update(4, { clientVersion: 51 }));
    assert.deepEqual(nothing, { outcome: 'refused', reason: 'not-quarantined' });
  },

  'a replay that the database refuses changes nothing': async (store) => {
    const b = await Bench.make(store);
    await b.put(0, [quarantined(b, 0)]);
    const update = b.update(0, { metadata: { k: 'a\u0000b' } });
    await rejectsWith('STORE_BAD_DATA', store.replayQuarantined(placeOf(b, 0), update));
    assert.deepEqual((await b.load()).updates, []);
    assert.equal((await store.readQuarantined(placeOf(b, 0)))!.replayedAtMs, undefined);
  },

  'a loss is accepted only from exactly the stored position, and recorded': async (store) => {
    const b = await Bench.make(store);
    const { epoch, partition } = b;
    await b.put(0, [b.update(0)]);
    assert.equal(await store.acceptLoss({ epoch, partition, fromOffset: 0, toOffset: 9 }), false);
    assert.equal(await store.acceptLoss({ epoch, partition, fromOffset: 2, toOffset: 9 }), false);
    assert.equal(await b.position(), 1);
    assert.equal(await store.acceptLoss({ epoch, partition, fromOffset: 1, toOffset: 9 }), true);
    assert.equal(await store.acceptLoss({ epoch, partition, fromOffset: 1, toOffset: 9 }), false);
    assert.equal(await b.position(), 9);
    const losses = (await store.acceptedLosses(1000)).filter((loss) => loss.epoch === epoch);
    assert.deepEqual(
      losses.map((loss) => [loss.partition, loss.fromOffset, loss.toOffset, loss.atMs > 0]),
      [[partition, 1, 9, true]],
    );
    await b.put(9, [b.update(9)]);
    const fresh = await Bench.make(store);
    const first = { epoch: fresh.epoch, partition: fresh.partition, fromOffset: 0, toOffset: 5 };
    assert.equal(await store.acceptLoss(first), true, 'also when nothing was ever stored');
    assert.equal(await fresh.position(), 5);
  },

  'documents are listed in pages, by room, without deleted ones': async (store) => {
    const b = await Bench.make(store);
    const { tenantId, roomId } = b.document;
    const doc = (docId: string) => ({ ...b.document, docId });
    await b.put(0, [
      b.update(0, { document: doc('a') }),
      b.update(1, { document: doc('b') }),
      { ...b.barrier(2, 2, 'deleted'), document: doc('b') },
      b.update(3, { document: { ...doc('c'), subdocId: 's' } }),
    ]);
    const [first] = await store.documents({ tenantId, roomId, limit: 1 });
    assert.deepEqual(first!.document, doc('a'));
    assert.deepEqual([first!.epoch, first!.partition], [b.epoch, b.partition]);
    const rest = await store.documents({ tenantId, roomId, afterId: first!.id, limit: 10 });
    assert.deepEqual(
      rest.map(({ document }) => document),
      [{ ...doc('c'), subdocId: 's' }],
    );
    assert.deepEqual(await store.documents({ tenantId, roomId: 'nobody', limit: 10 }), []);
  },

  'a snapshot made from the rows takes the place of all others, also of newer ones': async (store) => {
    const b = await Bench.make(store);
    await b.put(0, [b.update(0), b.update(1), b.update(2)]);
    assert.equal(await store.persistSnapshot(b.snapshot(0)), true);
    assert.equal(await store.persistSnapshot(b.snapshot(2)), true);
    const { document, epoch, partition } = b;
    const rows = await store.load({ document, epoch, partition, fromRows: true });
    assert.equal(rows.snapshot, undefined);
    assert.deepEqual(offsets(rows.updates), [0, 1, 2]);
    const data = Uint8Array.of(42);
    assert.equal(await store.replaceSnapshots(b.snapshot(3, { data })), false, 'not more than is stored');
    assert.equal(await store.replaceSnapshots(b.snapshot(1, { data, generation: 2 })), false);
    assert.equal(await store.replaceSnapshots(b.snapshot(1, { data })), true);
    const state = await b.load();
    assert.deepEqual([state.snapshot!.throughOffset, [...state.snapshot!.data]], [1, [42]]);
    assert.deepEqual(offsets(state.updates), [2]);
    assert.equal((await store.snapshotDebt(document))!.updates, 1);
    assert.equal(await store.replaceSnapshots(b.snapshot(1, { data: Uint8Array.of(43) })), true);
    assert.deepEqual([...(await b.load()).snapshot!.data], [43]);
  },

  'versions are those of the sender as this user': async (store) => {
    const b = await Bench.make(store);
    await b.put(0, [
      b.update(0, { clientVersion: 1 }),
      b.update(1, { clientVersion: 2, userId: 'u' }),
      b.update(2, { clientVersion: 3, userId: 'v' }),
    ]);
    const of = (userId?: string) =>
      store.appendedVersions(b.document, 1, {
        senderId: 'sender',
        epoch: b.epoch,
        throughOffset: 9,
        ...(userId === undefined ? {} : { userId }),
      });
    assert.deepEqual(
      [await of(), await of('u'), await of('v'), await of('w')],
      [[[1, 1]], [[2, 2]], [[3, 3]], []],
    );
  },
};
