import { describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../lib/clock.ts';
import { AppError } from '../../../lib/errors.ts';
import { silentLogger } from '../../../lib/log.ts';
import { Persister } from '../../../lib/persister/persister.ts';
import { DEFAULT_LIMITS } from '../../../lib/protocol/limits.ts';
import { MemoryStore } from '../../../lib/store/memory.ts';
import type { PersistenceAdapter } from '../../../lib/store/port.ts';
import type { BatchContext, ConsumeRequest, RecordBatch } from '../../../lib/stream/port.ts';
import { createTopicResolver } from '../../../lib/stream/topic-resolver.ts';
import { delivered, document, isDecodable, updateRecord } from './records.ts';

/** Batches handed over by hand: what a log with holes, rebalances and trimming can bring. */
const TOPIC = 'yjs-doc';

async function setUp(options: { storeBatch?: PersistenceAdapter['storeBatch'] } = {}) {
  const store = new MemoryStore({ clock: systemClock });
  let request: ConsumeRequest | undefined;
  const persister = new Persister({
    stream: {
      listTopics: () => Promise.resolve([TOPIC, 'yjs-awareness', 'unrelated']),
      endOffset: () => Promise.resolve(0),
      consume: (asked) => {
        request = asked;
        return Promise.resolve({ stop: () => Promise.resolve(), isAssigned: () => true });
      },
    },
    store: {
      storeBatch: options.storeBatch ?? ((batch) => store.storeBatch(batch)),
      nextOffset: (...place) => store.nextOffset(...place),
    },
    topics: createTopicResolver({ pattern: 'yjs-{channel}', partitions: 2 }),
    epochs: { epochOf: () => Promise.resolve(1) },
    group: 'g',
    classifier: { limits: DEFAULT_LIMITS, isDecodable },
    clock: systemClock,
    logger: silentLogger,
  });
  await persister.start();
  return { store, persister, request: request! };
}

function batchOf(offsets: number[], fetchOffset: number, nextOffset: number): RecordBatch {
  const records = offsets.map((offset) => delivered(updateRecord({ version: offset + 1 }), offset));
  return { topic: TOPIC, partition: 0, fetchOffset, nextOffset, records };
}

function contextOf(isStale = () => false): BatchContext & { beats: number } {
  const context = {
    beats: 0,
    heartbeat: () => {
      context.beats++;
      return Promise.resolve();
    },
    isStale,
  };
  return context;
}

const offsetsOf = async (store: MemoryStore) =>
  (await store.load({ document, epoch: 1, partition: 0 })).updates.map((row) => row.offset);

describe('a batch', () => {
  it('asks for the doc topics only', async () => {
    const { request } = await setUp();
    expect(request.topics).toEqual([TOPIC]);
    expect(request.accepts!('yjs-awareness')).toBe(false);
  });

  it('with holes before, between and behind its records moves the position to its end', async () => {
    const { store, request } = await setUp();
    expect(await request.onBatch(batchOf([3, 7], 0, 12), contextOf())).toBe(12);
    expect(await request.onBatch(batchOf([], 12, 15), contextOf())).toBe(15);
    expect(await offsetsOf(store)).toEqual([3, 7]);
    expect(await request.startOffset({ topic: TOPIC, partition: 0 })).toBe(15);
  });

  it('of many runs is stored run by run, with a heartbeat after each', async () => {
    const { store, request } = await setUp();
    const context = contextOf();
    const offsets = Array.from({ length: 2500 }, (_, n) => n);
    expect(await request.onBatch(batchOf(offsets, 0, 2500), context)).toBe(2500);
    expect(context.beats).toBe(3);
    expect(await offsetsOf(store)).toEqual(offsets);
  });

  it('that comes again is known, in whole or in part', async () => {
    const { store, request } = await setUp();
    const offsets = Array.from({ length: 2500 }, (_, n) => n);
    await request.onBatch(batchOf(offsets.slice(0, 1500), 0, 1500), contextOf());
    expect(await request.onBatch(batchOf(offsets, 0, 2500), contextOf())).toBe(2500);
    expect(await request.onBatch(batchOf(offsets, 0, 2500), contextOf())).toBe(2500);
    expect(await offsetsOf(store)).toEqual(offsets);
  });

  it('that begins beyond the stored position is answered with a seek back', async () => {
    const { store, request } = await setUp();
    await request.onBatch(batchOf([0, 1], 0, 2), contextOf());
    expect(await request.onBatch(batchOf([5], 5, 6), contextOf())).toBe(2);
    expect(await offsetsOf(store)).toEqual([0, 1]);
  });

  it('that lies behind the stored position is answered with a seek forward', async () => {
    const { request } = await setUp();
    await request.onBatch(batchOf([0, 1, 2, 3], 0, 4), contextOf());
    expect(await request.onBatch(batchOf([1, 2], 1, 3), contextOf())).toBe(4);
  });

  it('is given up where it stands once the partition may belong to another member', async () => {
    const { store, request } = await setUp();
    const context = contextOf(() => context.beats > 0);
    const offsets = Array.from({ length: 2500 }, (_, n) => n);
    expect(await request.onBatch(batchOf(offsets, 0, 2500), context)).toBe(1000);
    expect(await offsetsOf(store)).toHaveLength(1000);
  });

  it('is given up during an outage once the partition may belong to another member', async () => {
    const context = contextOf(() => context.beats > 1);
    const { request } = await setUp({
      storeBatch: () => Promise.reject(new AppError('STORE_UNAVAILABLE')),
    });
    expect(await request.onBatch(batchOf([0], 0, 1), context)).toBe(0);
  });

  it('is never skipped when the store refuses even the quarantined record', async () => {
    const { request } = await setUp({ storeBatch: () => Promise.reject(new AppError('STORE_BAD_DATA')) });
    await expect(request.onBatch(batchOf([0, 1, 2], 0, 3), contextOf())).rejects.toMatchObject({
      type: 'STORE_BAD_DATA',
    });
  });
});

describe('a log that no longer has what comes next', () => {
  it('makes the partition stand still and raises the alarm, until it goes on', async () => {
    const { persister, request } = await setUp();
    const error = new AppError('STREAM_OFFSET_OUT_OF_RANGE', {
      data: { topic: TOPIC, partition: 0, offset: 3 },
    });
    request.onError!(error);
    request.onError!(error);
    expect(persister.status().blocked).toMatchObject([{ topic: TOPIC, partition: 0, offset: 3 }]);
    await request.onBatch(batchOf([0], 0, 1), contextOf());
    expect(persister.status().blocked).toEqual([]);
  });
});
