import assert from 'node:assert/strict';
import { Bench, offsets, type StoreCheck } from './bench.ts';

export const historyChecks: Record<string, StoreCheck> = {
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

  'a long tail is loaded whole, in order, from any place': async (store) => {
    const b = await Bench.make(store);
    const all = Array.from({ length: 1203 }, (_, n) => n);
    const large = new Set([3, 600, 601, 1202]);
    const payloadOf = (n: number) => new Uint8Array(large.has(n) ? 400_000 : 10).fill(n & 0xff);
    for (let at = 0; at < all.length; at += 401)
      await b.put(
        at,
        all.slice(at, at + 401).map((n) => b.update(n, { payload: payloadOf(n) })),
      );
    const { updates } = await b.load();
    assert.deepEqual(offsets(updates), all);
    for (const { offset, payload } of updates)
      assert.equal(Buffer.compare(payload, payloadOf(offset)), 0, `the payload at ${offset}`);
    assert.deepEqual(offsets((await b.load(598)).updates), all.slice(599));
    assert.deepEqual(offsets((await b.load(1201)).updates), [1202]);
    await store.persistSnapshot(b.snapshot(700));
    assert.deepEqual(offsets((await b.load()).updates), all.slice(701));
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
};
