import assert from 'node:assert/strict';
import { Bench, offsets, rejectsWith, type StoreCheck } from './bench.ts';

export const quarantineChecks: Record<string, StoreCheck> = {
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
};
