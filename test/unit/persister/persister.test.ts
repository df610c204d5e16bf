import { describe, expect, it } from '@jest/globals';
import { AppError } from '../../../lib/errors.ts';
import { PERSISTER_CONSUMER, type IncomingBatch } from '../../../lib/store/port.ts';
import { waitFor } from '../../support/wait.ts';
import { setUp, updates } from './persister-world.ts';
import { barrierRecord, document, updateRecord } from './records.ts';

const range = (to: number) => Array.from({ length: to }, (_, n) => n);

describe('Persister', () => {
  it('stores what was appended before and after it began', async () => {
    const { start, append, untilStored, load } = await setUp();
    await append(updates(0, 3));
    await start();
    await append(updates(3, 5));
    await untilStored(4);
    expect((await load()).updates.map((row) => row.offset)).toEqual(range(5));
  });

  it('stores each row once though it dies after a commit, between two batches', async () => {
    let deaths = 0;
    const { store, start, append, untilStored } = await setUp({
      wrap: (storeBatch) => async (batch) => {
        const result = await storeBatch(batch);
        // The commit is there, its answer is not: as after kill -9.
        if (deaths++ < 3) throw new AppError('STORE_UNAVAILABLE');
        return result;
      },
    });
    await append(updates(0, 10));
    await start();
    for (let n = 10; n < 40; n += 10) await append(updates(n, n + 10));
    await untilStored(39);
    const rows = [];
    for await (const row of store.exportHistory(document)) rows.push([row.offset, row.repeatOf]);
    expect(rows).toEqual(range(40).map((n) => [n, undefined]));
  });

  it('goes on where its predecessor stopped', async () => {
    const { start, append, untilStored, load } = await setUp();
    const first = await start();
    await append(updates(0, 4));
    await untilStored(3);
    await first.stop();
    await append(updates(4, 8));
    await start();
    await untilStored(7);
    expect((await load()).updates).toHaveLength(8);
  });

  it('waits through an outage of the store and skips nothing', async () => {
    let isOut = true;
    const { start, append, untilStored, load } = await setUp({
      wrap: (storeBatch) => async (batch) => {
        if (isOut) throw new AppError('STORE_UNAVAILABLE');
        return storeBatch(batch);
      },
    });
    await append(updates(0, 5));
    const persister = await start();
    await waitFor(() => persister.status().storeOut);
    isOut = false;
    await untilStored(4);
    expect((await load()).updates.map((row) => row.offset)).toEqual(range(5));
    await waitFor(() => !persister.status().storeOut);
  });

  it('stops during an outage', async () => {
    const { start, append } = await setUp({
      wrap: () => () => Promise.reject(new AppError('STORE_UNAVAILABLE')),
    });
    await append(updates(0, 5));
    const persister = await start();
    await waitFor(() => persister.status().storeOut);
    await persister.stop();
    expect(persister.status().consuming).toBe(false);
  });

  it('drops what another member stored meanwhile, and seeks back over what is not there', async () => {
    const meddle: ((batch: IncomingBatch) => Promise<void>)[] = [];
    const { store, start, append, untilStored, load } = await setUp({
      wrap: (storeBatch) => async (batch) => {
        await meddle.shift()?.(batch);
        return storeBatch(batch);
      },
    });
    // The other member stores the first four of the batch that this one holds.
    meddle.push(async (batch) => {
      const records = batch.records.slice(0, 4);
      await store.storeBatch({ ...batch, records, nextOffset: records.at(-1)!.offset + 1 });
    });
    await append(updates(0, 10));
    await start();
    await untilStored(9);
    expect((await load()).updates.map((row) => row.offset)).toEqual(range(10));
    // The other member stores more than this one holds.
    meddle.push(async (batch) => {
      await append(updates(15, 20));
      await store.storeBatch({ ...batch, records: [...batch.records], nextOffset: 15 });
    });
    await append(updates(10, 15));
    await untilStored(19);
    expect((await load()).updates.map((row) => row.offset)).toEqual(range(20));
  });

  it('keeps 1,000 good records of 1,100 and quarantines the 100 that cannot be used', async () => {
    const { store, start, append, untilStored, load } = await setUp({
      // A fault that cannot be seen in the record: it has to be found by halves.
      wrap: (storeBatch) => async (batch) => {
        const isRefused = batch.records.some((r) => r.kind === 'update' && r.metadata.refuse === true);
        if (isRefused) throw new AppError('STORE_BAD_DATA');
        return storeBatch(batch);
      },
    });
    const records = range(1100).map((n) => {
      if (n % 11 !== 5) return updateRecord({ version: n + 1 });
      switch (n % 4) {
        case 0: // only the store sees it
          return updateRecord({ version: n + 1, extra: n % 8 ? { note: 'a\u0000b' } : { refuse: true } });
        case 1:
          return updateRecord({ version: n + 1, update: Uint8Array.of(9, 9, 9) });
        case 2:
          return { ...updateRecord({ version: n + 1 }), value: Uint8Array.of(1, 2, 3) };
        default:
          return { ...updateRecord({ version: n + 1 }), key: 'bad\u0000key' };
      }
    });
    await append(records);
    await start();
    await untilStored(1099);
    expect((await load()).updates.map((row) => row.offset)).toEqual(range(1100).filter((n) => n % 11 !== 5));
    expect(store.quarantined.map((row) => row.offset).sort((a, b) => a - b)).toEqual(
      range(1100).filter((n) => n % 11 === 5),
    );
    const refused = store.quarantined.filter((row) => row.reason === 'refused-by-store');
    expect(refused).toHaveLength(25);
    expect(refused[0]!.value).toEqual(new Uint8Array(records[refused[0]!.offset]!.value));
  });

  it('a barrier decides by its place in the log', async () => {
    const { store, start, append, untilStored, load } = await setUp();
    await start();
    await append([updateRecord({ version: 1 }), barrierRecord(2), updateRecord({ version: 2 })]);
    await append([updateRecord({ version: 3, extra: { generation: 2 } })]);
    await untilStored(3);
    expect((await load()).updates.map((row) => row.offset)).toEqual([3]);
    expect(store.quarantined.map((row) => [row.offset, row.reason])).toEqual([[2, 'stale-generation']]);
  });

  it('stores the rooms of topics that are made while it runs, from their first record', async () => {
    const { stream, store, topics, epochs, start } = await setUp({ pattern: 'yjs-{channel}-{room}' });
    await start();
    const of = { ...document, roomId: 'made-later' };
    await stream.ensureTopics([topics.spec('doc', of)]);
    const target = topics.target('doc', of);
    await stream.append(target, [updateRecord({ version: 1, of }), updateRecord({ version: 2, of })]);
    await waitFor(async () => {
      const epoch = await epochs.epochOf(target.topic);
      return (await store.nextOffset(PERSISTER_CONSUMER, epoch, target.partition)) === 2;
    });
  });
});
