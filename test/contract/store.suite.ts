import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { isAppError } from '../../lib/errors.ts';
import { documentKey, type DocumentId } from '../../lib/protocol/ids.ts';
import {
  PERSISTER_CONSUMER,
  type HistoryRow,
  type IncomingBarrier,
  type IncomingBatch,
  type IncomingRecord,
  type IncomingUpdate,
  type PersistenceAdapter,
  type Snapshot,
} from '../../lib/store/port.ts';

/**
 * What every PersistenceAdapter must do. Each check is a plain function on a prepared store and makes its
 * own topic and documents, so that all run on one store, one after another or at once, inside jest or not.
 */
export type StoreCheck = (store: PersistenceAdapter) => Promise<void>;

export const identityOf = (topic: string, partitions = 4) => ({
  topic,
  topicId: randomUUID(),
  clusterId: 'cluster',
  partitions,
});

/** A topic of its own with one partition in use, and a document in it. */
export class Bench {
  readonly store: PersistenceAdapter;
  readonly epoch: number;
  readonly partition = 2;
  readonly document: DocumentId = { tenantId: 't', roomId: `r-${randomUUID()}`, docId: 'd' };

  private constructor(store: PersistenceAdapter, epoch: number) {
    this.store = store;
    this.epoch = epoch;
  }

  static async make(store: PersistenceAdapter): Promise<Bench> {
    return new Bench(store, await store.epochOf(identityOf(`topic-${randomUUID()}`)));
  }

  update(offset: number, fields: Partial<IncomingUpdate> = {}): IncomingUpdate {
    return {
      kind: 'update',
      offset,
      document: this.document,
      generation: 1,
      senderId: 'sender',
      clientVersion: offset + 1,
      atMs: 1_790_000_000_000 + offset,
      metadata: { docId: 'd', extra: { nested: [offset] } },
      payload: Uint8Array.of(1, 2, offset & 0xff),
      ...fields,
    };
  }

  barrier(
    offset: number,
    generation: number,
    reason: IncomingBarrier['reason'] = 'restored',
  ): IncomingBarrier {
    return { kind: 'barrier', offset, document: this.document, generation, reason };
  }

  batch(fetchOffset: number, records: IncomingRecord[], nextOffset?: number): IncomingBatch {
    return {
      consumer: PERSISTER_CONSUMER,
      epoch: this.epoch,
      partition: this.partition,
      fetchOffset,
      nextOffset: nextOffset ?? (records.at(-1)?.offset ?? fetchOffset - 1) + 1,
      records,
    };
  }

  async put(fetchOffset: number, records: IncomingRecord[], nextOffset?: number) {
    const result = await this.store.storeBatch(this.batch(fetchOffset, records, nextOffset));
    assert.equal(result.outcome, 'stored');
    return result;
  }

  load(sinceOffset?: number) {
    const { document, epoch, partition } = this;
    return this.store.load({
      document,
      epoch,
      partition,
      ...(sinceOffset === undefined ? {} : { sinceOffset }),
    });
  }

  position() {
    return this.store.nextOffset(PERSISTER_CONSUMER, this.epoch, this.partition);
  }

  snapshot(throughOffset: number, fields: Partial<Snapshot> = {}): Snapshot {
    return {
      document: this.document,
      generation: 1,
      epoch: this.epoch,
      partition: this.partition,
      throughOffset,
      data: Uint8Array.of(9, throughOffset & 0xff),
      stateVector: Uint8Array.of(8),
      ...fields,
    };
  }

  async history(since?: number): Promise<HistoryRow[]> {
    const position = { generation: 1, epoch: this.epoch, partition: this.partition, offset: since ?? -1 };
    const rows: HistoryRow[] = [];
    for await (const row of this.store.exportHistory(
      this.document,
      since === undefined ? undefined : position,
    ))
      rows.push(row);
    return rows;
  }

  versions(throughOffset: number, senderId = 'sender', generation = 1) {
    return this.store.appendedVersions(this.document, generation, {
      senderId,
      epoch: this.epoch,
      throughOffset,
    });
  }
}

const offsets = (rows: readonly { offset: number }[]) => rows.map((row) => row.offset);

async function rejectsWith(
  type: 'STORE_BAD_DATA' | 'STREAM_IDENTITY_CHANGED' | 'STREAM_PARTITIONS_CHANGED',
  work: Promise<unknown>,
) {
  await assert.rejects(work, (error) => isAppError(error, type));
}

export const storeChecks: Record<string, StoreCheck> = {
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
    assert.deepEqual(offsets((await b.load()).updates), [2], 'what was let in is kept');
    assert.equal(await store.snapshotDebt(b.document), undefined, 'and owes no snapshot');
    await b.put(3, [b.barrier(3, 3, 'recreated'), b.update(4, { generation: 3 })]);
    const made = await b.load();
    assert.deepEqual([made.deleted, made.generation, offsets(made.updates)], [false, 3, [4]]);
  },

  'a quarantined record is counted, keeps its bytes out of folds and moves the position': async (store) => {
    const b = await Bench.make(store);
    const before = await store.countQuarantined();
    await b.put(0, [
      b.update(0),
      {
        kind: 'quarantine',
        offset: 1,
        document: b.document,
        reason: 'bad\u0000reason',
        key: 'key\u0000',
        value: Uint8Array.of(0, 255),
        headers: { 's\u0000': 'x\ud800' },
      },
      { kind: 'quarantine', offset: 2, reason: 'no key', key: '', value: new Uint8Array(), headers: {} },
    ]);
    assert.equal(await b.position(), 3);
    assert.ok((await store.countQuarantined()) >= before + 2);
    assert.deepEqual(offsets((await b.load()).updates), [0]);
  },

  'data that no column takes rejects the whole batch as bad data': async (store) => {
    const b = await Bench.make(store);
    await b.put(0, [b.update(0)]);
    for (const metadata of [{ k: 'a\u0000b' }, { 'k\u0000': 1 }, { deep: [{ x: 'lone \ud800' }] }]) {
      await rejectsWith(
        'STORE_BAD_DATA',
        store.storeBatch(b.batch(1, [b.update(1), b.update(2, { metadata })])),
      );
    }
    assert.equal(await b.position(), 1);
    assert.deepEqual(offsets((await b.load()).updates), [0]);
    await b.put(1, [b.update(1, { metadata: { k: 'a backslash and \\u0000 as text' } })]);
  },

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

  'the versions of a sender are ranges, repeats and other senders aside': async (store) => {
    const b = await Bench.make(store);
    const versions = [1, 2, 3, 3, 7, 8, 5];
    await b.put(
      0,
      versions.map((clientVersion, n) => b.update(n, { clientVersion })),
    );
    await b.put(7, [b.update(7, { senderId: 'other', clientVersion: 4 }), b.update(8, { clientVersion: 9 })]);
    assert.deepEqual(await b.versions(7), [
      [1, 3],
      [5, 5],
      [7, 8],
    ]);
    assert.deepEqual(await b.versions(8), [
      [1, 3],
      [5, 5],
      [7, 9],
    ]);
    assert.deepEqual(await b.versions(1), [[1, 2]]);
    assert.deepEqual(await b.versions(8, 'other'), [[4, 4]]);
    assert.deepEqual(await b.versions(8, 'nobody'), []);
    assert.deepEqual(await b.versions(8, 'sender', 2), []);
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
    assert.ok(debt.oldestAtMs > 0);
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

  'history is exported in pages, in order, after a position': async (store) => {
    const b = await Bench.make(store);
    const all = Array.from({ length: 1203 }, (_, n) => n);
    for (let at = 0; at < all.length; at += 401)
      await b.put(
        at,
        all.slice(at, at + 401).map((n) => b.update(n)),
      );
    assert.deepEqual(offsets(await b.history()), all);
    assert.deepEqual(offsets(await b.history(1200)), [1201, 1202]);
  },

  'large payloads come back whole': async (store) => {
    const b = await Bench.make(store);
    const payload = new Uint8Array(3_000_000).map((_, i) => (i * 7) & 0xff);
    await b.put(0, [b.update(0, { payload }), b.update(1), b.update(2, { payload })]);
    const rows = await b.history();
    assert.deepEqual(offsets(rows), [0, 1, 2]);
    assert.equal(Buffer.compare(rows[2]!.payload, payload), 0);
    assert.equal(Buffer.compare((await b.load()).updates[0]!.payload, payload), 0);
  },

  'what is loaded is of one moment while batches come in': async (store) => {
    const b = await Bench.make(store);
    const writing = (async () => {
      for (let n = 0; n < 60; n++) await b.put(n, [b.update(n)]);
    })();
    for (let n = 0; n < 30; n++) {
      const state = await b.load();
      assert.equal(state.updates.length, state.storedThrough + 1, 'rows and S agree');
    }
    await writing;
  },

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

  'prepare may be called again, by several at once': async (store) => {
    await Promise.all([store.prepare(), store.prepare()]);
  },

  'it answers a ping': async (store) => {
    assert.equal(await store.ping(5_000), true);
  },
};
