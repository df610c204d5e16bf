import { addVersion, type VersionRanges } from '../../../lib/protocol/ranges.ts';
import { PERSISTER_CONSUMER, type HistoryRow } from '../../../lib/store/port.ts';
import type { Breaks } from './break.ts';

export const readsBreaks: Breaks = {
  'names all versions up to the highest': {
    fails: 'the versions of a sender are ranges, repeats and other senders aside',
    make: (store) => ({
      appendedVersions: async (...request) => {
        const highest = (await store.appendedVersions(...request)).at(-1)?.[1];
        return highest === undefined ? [] : [[1, highest]];
      },
    }),
  },
  'names versions of other senders': {
    fails: 'the versions of a sender are ranges, repeats and other senders aside',
    make: (store) => ({
      appendedVersions: async (document, _generation, { throughOffset }) => {
        const ranges: VersionRanges = [];
        for await (const row of store.exportHistory(document))
          if (row.offset <= throughOffset) addVersion(ranges, row.clientVersion);
        return ranges;
      },
    }),
  },
  'names versions of the sender as any user': {
    fails: 'versions are those of the sender as this user',
    make: (store) => ({
      storeBatch: (batch) =>
        store.storeBatch({
          ...batch,
          records: batch.records.map((record) => {
            if (record.kind !== 'update') return record;
            const { userId: _, ...rest } = record;
            return rest;
          }),
        }),
    }),
  },
  'loads only the first page of a tail': {
    fails: 'a long tail is loaded whole, in order, from any place',
    make: (store) => ({
      load: async (request) => {
        const state = await store.load(request);
        return { ...state, updates: state.updates.slice(0, 500) };
      },
    }),
  },
  'exports only the first page': {
    fails: 'history is exported in pages, in order, after a position',
    make: (store) => ({
      exportHistory: async function* (document, since) {
        let rows = 0;
        for await (const row of store.exportHistory(document, since)) if (rows++ < 500) yield row;
      },
    }),
  },
  'exports newest first': {
    fails: 'history is exported in pages, in order, after a position',
    make: (store) => ({
      exportHistory: async function* (document, since) {
        const rows: HistoryRow[] = [];
        for await (const row of store.exportHistory(document, since)) rows.unshift(row);
        yield* rows;
      },
    }),
  },
  'cuts large payloads': {
    fails: 'large payloads come back whole',
    make: (store) => ({
      load: async (request) => {
        const state = await store.load(request);
        for (const update of state.updates) update.payload = update.payload.subarray(0, 1_000_000);
        return state;
      },
    }),
  },
  'reads rows and S at two moments': {
    fails: 'what is loaded is of one moment while batches come in',
    make: (store) => ({
      load: async (request) => {
        const state = await store.load(request);
        for (let n = 0; n < 20; n++) await Promise.resolve();
        const next = await store.nextOffset(PERSISTER_CONSUMER, request.epoch, request.partition);
        return { ...state, storedThrough: next - 1 };
      },
    }),
  },
};
