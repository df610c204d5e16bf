import { PERSISTER_CONSUMER } from '../../../lib/store/port.ts';
import type { Breaks } from './break.ts';

export const batchesBreaks: Breaks = {
  'takes a batch wherever it begins': {
    fails: 'a batch that begins behind the position is not taken, and is told where to go on',
    make: (store) => ({
      storeBatch: async (batch) => {
        const fetchOffset = await store.nextOffset(batch.consumer, batch.epoch, batch.partition);
        return store.storeBatch({ ...batch, fetchOffset });
      },
    }),
  },
  'checks the position before it locks it': {
    fails: 'of two batches for one position exactly one is stored',
    make: (store) => ({
      storeBatch: async (batch) => {
        const seen = await store.nextOffset(batch.consumer, batch.epoch, batch.partition);
        await new Promise((resolve) => setImmediate(resolve));
        if (seen !== batch.fetchOffset) return store.storeBatch(batch);
        const fetchOffset = await store.nextOffset(batch.consumer, batch.epoch, batch.partition);
        return store.storeBatch({ ...batch, fetchOffset });
      },
    }),
  },
  'has one position for all consumers': {
    fails: 'consumers and partitions have positions of their own',
    make: (store) => ({
      storeBatch: (batch) => store.storeBatch({ ...batch, consumer: PERSISTER_CONSUMER }),
      nextOffset: (_consumer, epoch, partition) => store.nextOffset(PERSISTER_CONSUMER, epoch, partition),
    }),
  },
  'moves the position only to the last record': {
    fails: 'rows come back as they were stored, in offset order',
    make: (store) => ({
      storeBatch: (batch) =>
        store.storeBatch({
          ...batch,
          nextOffset: (batch.records.at(-1)?.offset ?? batch.nextOffset - 1) + 1,
        }),
    }),
  },
  'does not move over a hole': {
    fails: 'an empty batch moves the position over a hole',
    make: (store) => ({
      storeBatch: (batch) =>
        batch.records.length > 0
          ? store.storeBatch(batch)
          : Promise.resolve({ outcome: 'stored', nextOffset: batch.nextOffset, touched: new Map() }),
    }),
  },
  'keeps the payload of repeats': {
    fails: 'of repeats across batches only the first has a payload',
    make: (store) => ({
      storeBatch: (batch) =>
        store.storeBatch({
          ...batch,
          records: batch.records.map((record) =>
            record.kind === 'update'
              ? { ...record, userId: `${record.userId ?? ''}${record.offset}` }
              : record,
          ),
        }),
    }),
  },
  'takes an update of another user for a repeat': {
    fails: 'an update with another user, sender or document is no repeat',
    make: (store) => ({
      storeBatch: (batch) =>
        store.storeBatch({
          ...batch,
          records: batch.records.map((record) =>
            record.kind === 'update' ? { ...record, userId: 'everybody' } : record,
          ),
        }),
    }),
  },
  'takes uncounted updates for repeats': {
    fails: 'updates whose writer does not count (version 0) are never repeats',
    make: (store) => ({
      storeBatch: (batch) =>
        store.storeBatch({
          ...batch,
          records: batch.records.map((record) =>
            record.kind === 'update' && record.clientVersion === 0
              ? { ...record, clientVersion: 9999 }
              : record,
          ),
        }),
    }),
  },
};
