import { afterEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../lib/clock.ts';
import { AppError } from '../../../lib/errors.ts';
import { silentLogger } from '../../../lib/log.ts';
import { Persister } from '../../../lib/persister/persister.ts';
import { DEFAULT_LIMITS } from '../../../lib/protocol/limits.ts';
import { MemoryStore } from '../../../lib/store/memory.ts';
import { PERSISTER_CONSUMER, type IncomingBatch, type PersistenceAdapter } from '../../../lib/store/port.ts';
import { createEmbeddedStream, type EmbeddedStream } from '../../../lib/stream/embedded.ts';
import { openInline } from '../../support/inline-log.ts';
import { EpochBook, registerTopics } from '../../../lib/stream/epochs.ts';
import type { StreamRecord } from '../../../lib/stream/port.ts';
import { createTopicResolver } from '../../../lib/stream/topic-resolver.ts';
import { waitFor } from '../../support/wait.ts';
import { barrierRecord, document, isDecodable, updateRecord } from './records.ts';

/** The persister on the embedded log and a store in memory whose `storeBatch` can be made to fail. */
const cleanUps: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function openLog(): Promise<EmbeddedStream> {
  const folder = await mkdtemp(join(tmpdir(), 'y-kafka-persister-'));
  const stream = await createEmbeddedStream({
    openFile: openInline,
    file: join(folder, 'log.sqlite'),
    clock: systemClock,
    logger: silentLogger,
    maxRecordBytes: 1 << 20,
    bufferBytes: 1 << 24,
  });
  cleanUps.push(() => rm(folder, { recursive: true, force: true }));
  cleanUps.push(() => stream.close());
  return stream;
}

type StoreBatch = PersistenceAdapter['storeBatch'];

interface SetUpOptions {
  pattern?: string;
  wrap?: (storeBatch: StoreBatch) => StoreBatch;
  /** Which partitions the group has given to others. */
  isAway?: (partition: number) => boolean;
}

async function setUp(options: SetUpOptions = {}) {
  const stream = await openLog();
  const store = new MemoryStore({ clock: systemClock });
  const topics = createTopicResolver({ pattern: options.pattern ?? 'yjs-{channel}', partitions: 2 });
  const known = await registerTopics({ stream, store, specs: topics.staticTopics });
  const epochs = new EpochBook({ stream, store, known });
  const target = topics.target('doc', document);
  const start = async (wrap = options.wrap ?? ((storeBatch: StoreBatch) => storeBatch)) => {
    const { isAway = () => false } = options;
    const persister = new Persister({
      stream: {
        listTopics: () => stream.listTopics(),
        endOffset: (at) => stream.endOffset(at),
        consume: async (request) => {
          const member = await stream.consume(request);
          return {
            stop: () => member.stop(),
            isAssigned: (at) => member.isAssigned(at) && !isAway(at.partition),
          };
        },
      },
      store: {
        storeBatch: wrap((batch) => store.storeBatch(batch)),
        nextOffset: (...place) => store.nextOffset(...place),
      },
      topics,
      epochs,
      group: 'test-persister',
      classifier: { limits: DEFAULT_LIMITS, isDecodable },
      clock: systemClock,
      logger: silentLogger,
    });
    cleanUps.push(() => persister.stop());
    await persister.start();
    return persister;
  };
  const append = (records: StreamRecord[]) => stream.append(target, records);
  const load = async () => {
    const epoch = await epochs.epochOf(target.topic);
    return store.load({ document, epoch, partition: target.partition });
  };
  const untilStored = (offset: number) =>
    waitFor(async () => (await load()).storedThrough >= offset, { what: `stored through ${offset}` });
  return { stream, store, topics, epochs, target, start, append, load, untilStored };
}

const updates = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, n) => updateRecord({ version: from + n + 1 }));

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

  it('tells where its partitions stand', async () => {
    const { start, append, untilStored, target } = await setUp();
    const persister = await start();
    await append(updates(0, 3));
    await untilStored(2);
    const positions = await persister.positions();
    expect(positions).toHaveLength(2);
    expect(positions.find((at) => at.partition === target.partition)).toMatchObject({
      nextOffset: 3,
      lag: 0,
    });
    expect(persister.isAssigned(positions[0]!.epoch, target.partition)).toBe(true);
    expect(persister.isAssigned(positions[0]!.epoch, 99)).toBe(false);
  });

  it('tells where its partitions stood while the store is away, and how far the log has gone on since', async () => {
    const { store, start, append, untilStored, target } = await setUp({
      wrap: (storeBatch) => async (batch) => {
        if (isOut) throw new AppError('STORE_UNAVAILABLE');
        return storeBatch(batch);
      },
    });
    let isOut = false;
    const persister = await start();
    await append(updates(0, 3));
    await untilStored(2);
    isOut = true;
    const nextOffset = store.nextOffset.bind(store);
    store.nextOffset = () => Promise.reject(new AppError('STORE_UNAVAILABLE'));
    await append(updates(3, 8));
    const positions = await persister.positions();
    expect(positions.find((at) => at.partition === target.partition)).toMatchObject({
      nextOffset: 3,
      lag: 5,
    });
    store.nextOffset = () => Promise.reject(new AppError('STORE_BAD_DATA'));
    await expect(persister.positions()).rejects.toMatchObject({ type: 'STORE_BAD_DATA' });
    store.nextOffset = nextOffset;
    isOut = false;
    await untilStored(7);
  });

  it('leaves to another member what has gone there: neither its lag nor its standstill is told twice', async () => {
    const away = new Set<number>();
    const { stream, start, append, untilStored, target } = await setUp({ isAway: (at) => away.has(at) });
    await append(updates(0, 3));
    const first = await start();
    await untilStored(2);
    await first.stop();
    await append(updates(3, 6));
    await stream.trim(target, 5);
    const persister = await start();
    await waitFor(() => persister.status().blocked.length === 1);
    const { epoch } = (await persister.positions())[0]!;
    expect(persister.assignedPartitions).toBe(2);
    away.add(target.partition);
    expect(persister.isAssigned(epoch, target.partition)).toBe(false);
    expect(persister.assignedPartitions).toBe(1);
    expect(persister.status().blocked).toEqual([]);
    expect((await persister.positions()).map(({ partition }) => partition)).toEqual([1 - target.partition]);
  });
});
