import type { HistoryRow } from '../../../lib/store/port.ts';
import { only, type Breaks } from './break.ts';

export const deletionBreaks: Breaks = {
  'overlooks barriers': {
    fails: 'behind a barrier the older generation is quarantined, before it it is stored',
    make: (store) => ({
      storeBatch: (batch) => store.storeBatch(only(batch, ({ kind }) => kind !== 'barrier')),
    }),
  },
  'lets a late barrier begin its generation again': {
    fails: 'a barrier that does not raise the generation is without effect',
    make: (store) => ({
      load: async (request) => {
        const state = await store.load(request);
        return state.generationStartOffset === -1
          ? state
          : { ...state, generationStartOffset: state.storedThrough };
      },
    }),
  },
  'does not know tombstones': {
    fails: 'a barrier that deletes sets the tombstone, the next one takes it away',
    make: (store) => ({ load: async (request) => ({ ...(await store.load(request)), deleted: false }) }),
  },
  'keeps what is sent to a deleted document': {
    fails: 'a barrier that deletes sets the tombstone, the next one takes it away',
    make: (store) => ({
      storeBatch: (batch) =>
        store.storeBatch({
          ...batch,
          records: batch.records.map((record) =>
            record.kind === 'barrier' && record.reason === 'deleted'
              ? { ...record, reason: 'restored' as const }
              : record,
          ),
        }),
    }),
  },
  'shows the history of a deleted document until it is removed': {
    fails: 'a deletion ends all reading at once, and takes the content away in bounded steps',
    make: (store) => {
      const rows = new Map<string, HistoryRow[]>();
      return {
        storeBatch: async (batch) => {
          const result = await store.storeBatch(batch);
          for (const { document } of batch.records) {
            if (!document) continue;
            const found: HistoryRow[] = [];
            const from = { generation: 1, epoch: batch.epoch, partition: batch.partition, offset: -1 };
            for await (const row of store.exportHistory(document, from)) found.push(row);
            if (found.length > 0) rows.set(document.roomId, found);
          }
          return result;
        },
        exportHistory: async function* (document) {
          yield* rows.get(document.roomId) ?? [];
        },
      };
    },
  },
  'removes everything in one step': {
    fails: 'a deletion ends all reading at once, and takes the content away in bounded steps',
    make: (store) => ({ removeDeleted: () => store.removeDeleted(1_000_000) }),
  },
  'forgets what it removed before it was cut off': {
    fails: 'a removal that was cut off goes on, by several at once, and counts everything once',
    make: (store) => ({
      lifecycle: async (request) => {
        const found = await store.lifecycle(request);
        for (const { removed } of found.generations) if (removed) removed.rows = Math.min(removed.rows, 2);
        return found;
      },
    }),
  },
  'forgets which operation began a generation': {
    fails: 'generations stay as evidence: which operation, who, when and where',
    make: (store) => ({
      lifecycle: async (request) => {
        const found = await store.lifecycle(request);
        return { ...found, generations: found.generations.map(({ key: _, ...row }) => row) };
      },
    }),
  },
};
