import { describe, expect, it } from '@jest/globals';
import { systemClock } from '../../lib/clock.ts';
import { AppError, isAppError } from '../../lib/errors.ts';
import { addVersion, type VersionRanges } from '../../lib/protocol/ranges.ts';
import { MemoryStore } from '../../lib/store/memory.ts';
import {
  PERSISTER_CONSUMER,
  type HistoryRow,
  type IncomingBatch,
  type IncomingRecord,
  type LoadRequest,
  type PersistenceAdapter,
  type Snapshot,
} from '../../lib/store/port.ts';
import { storeChecks } from './store.suite.ts';

/** Adapters that break one promise each: the suite must notice every one of them. */

type Make = (store: MemoryStore) => Partial<PersistenceAdapter>;

const only = (batch: IncomingBatch, keep: (record: IncomingRecord) => boolean): IncomingBatch => ({
  ...batch,
  records: batch.records.filter(keep),
});

const broken: Record<string, { make: Make; fails: string }> = {
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
  'drops quarantined records': {
    fails: 'a quarantined record is counted, keeps its bytes out of folds and moves the position',
    make: (store) => ({
      storeBatch: (batch) => store.storeBatch(only(batch, ({ kind }) => kind !== 'quarantine')),
    }),
  },
  'drops the record that the database refuses and says stored': {
    fails: 'data that no column takes rejects the whole batch as bad data',
    make: (store) => ({
      storeBatch: (batch) =>
        store.storeBatch(batch).catch((error: unknown) => {
          if (!isAppError(error, 'STORE_BAD_DATA')) throw error;
          return store.storeBatch({ ...batch, records: [] });
        }),
    }),
  },
  'stores the rows before the bad one': {
    fails: 'data that no column takes rejects the whole batch as bad data',
    make: (store) => ({
      storeBatch: (batch) =>
        store.storeBatch(batch).catch(async (error: unknown) => {
          const records = batch.records.slice(0, 1);
          await store.storeBatch({ ...batch, records, nextOffset: (records[0]?.offset ?? 0) + 1 });
          throw error;
        }),
    }),
  },
  'calls bad data an outage': {
    fails: 'data that no column takes rejects the whole batch as bad data',
    make: (store) => ({
      storeBatch: (batch) =>
        store.storeBatch(batch).catch(() => {
          throw new AppError('STORE_UNAVAILABLE');
        }),
    }),
  },
  'resumes with the row at the position': {
    fails: 'resume: only rows after the offset, without snapshot',
    make: (store) => ({
      load: ({ sinceOffset, ...request }: LoadRequest) =>
        store.load(sinceOffset === undefined ? request : { ...request, sinceOffset: sinceOffset - 1 }),
    }),
  },
  'loads all rows beside the snapshot and loses what the snapshot covers': {
    fails: 'a snapshot is loaded with the rows after it, and rows stay',
    make: (store) => ({
      exportHistory: async function* (document, since) {
        const debt = await store.snapshotDebt(document);
        let skipped = 0;
        for await (const row of store.exportHistory(document, since))
          if (!debt?.snapshotBytes || skipped++ >= 2) yield row;
      },
    }),
  },
  'says that an older snapshot was written': {
    fails: 'a snapshot is written only if it covers more than the one there',
    make: (store) => ({
      persistSnapshot: async (snapshot) =>
        (await store.persistSnapshot(snapshot)) || snapshot.generation === 1,
    }),
  },
  'takes a snapshot of more than is stored': {
    fails: 'a snapshot never covers what is not stored',
    make: (store) => ({
      persistSnapshot: async (snapshot) => {
        const stored = await store.nextOffset(PERSISTER_CONSUMER, snapshot.epoch, snapshot.partition);
        return snapshot.throughOffset >= stored ? true : store.persistSnapshot(snapshot);
      },
    }),
  },
  'goes on using the snapshot of the generation before': {
    fails: 'a snapshot of an earlier generation is neither written nor loaded',
    make: (store) => {
      const kept = new Map<string, Snapshot>();
      return {
        persistSnapshot: async (snapshot) => {
          const written = await store.persistSnapshot(snapshot);
          if (written) kept.set(snapshot.document.roomId, snapshot);
          return written;
        },
        load: async (request) => {
          const snapshot = kept.get(request.document.roomId);
          const state = await store.load(request);
          return snapshot && !state.snapshot ? { ...state, snapshot } : state;
        },
      };
    },
  },
  'trims nothing': {
    fails: 'superseded snapshots are trimmed, the newest stays',
    make: () => ({ trimSnapshots: async () => 0 }),
  },
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
  'puts a replayed record at the end': {
    fails: 'a replayed record stands at its own place, once, and is no longer counted',
    make: (store) => ({
      replayQuarantined: async (place, update) => {
        const offset = await store.nextOffset(PERSISTER_CONSUMER, place.epoch, place.partition);
        return store.replayQuarantined(place, { ...update, offset: offset + 1 });
      },
      listQuarantined: async (query) => store.listQuarantined({ ...query, replayed: true }),
    }),
  },
  'replays a record of before a barrier': {
    fails: 'a replay is a repeat where the update came again, and no row of another generation',
    make: (store) => ({
      replayQuarantined: async (place, update) =>
        update.generation > 1
          ? { outcome: 'stored', isRepeat: false }
          : store.replayQuarantined(place, update),
    }),
  },
  'accepts a loss wherever the position is': {
    fails: 'a loss is accepted only from exactly the stored position, and recorded',
    make: (store) => ({
      acceptLoss: async (loss) => {
        const fromOffset = await store.nextOffset(PERSISTER_CONSUMER, loss.epoch, loss.partition);
        return store.acceptLoss({ ...loss, fromOffset });
      },
    }),
  },
  'leaves newer snapshots beside one that was made from the rows': {
    fails: 'a snapshot made from the rows takes the place of all others, also of newer ones',
    make: (store) => ({ replaceSnapshots: (snapshot) => store.persistSnapshot(snapshot) }),
  },
  'counts the debt from the beginning': {
    fails: 'the debt of a document counts what lies behind its snapshot',
    make: (store) => ({
      snapshotDebt: async (document) => {
        const debt = await store.snapshotDebt(document);
        let updates = 0;
        for await (const _row of store.exportHistory(document)) updates++;
        return debt && { ...debt, updates };
      },
    }),
  },
  'takes every debt for one of its own': {
    fails: "a debt of an epoch that another has followed is nobody's own, until a snapshot pays it",
    make: (store) => ({
      snapshotDebt: async (document) => {
        const debt = await store.snapshotDebt(document);
        return debt && { ...debt, isOfPastEpoch: false };
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
  'gives a new epoch to a changed identity in silence': {
    fails: 'a known topic with another identity or partition count is refused until it is adopted',
    make: (store) => ({ epochOf: (identity) => store.adoptEpoch(identity) }),
  },
  'gives each asker an epoch': {
    fails: 'an epoch is given once to an identity, whoever asks',
    make: (store) => ({
      epochOf: async (identity) =>
        store.epochOf({ ...identity, topic: `${identity.topic}-${Math.random()}` }),
    }),
  },
  'begins an adopted epoch without what was before': {
    fails: 'an adopted epoch goes on with what earlier ones stored',
    make: (store) => ({
      load: async (request) => {
        const { snapshot, ...state } = await store.load(request);
        const updates = state.updates.filter((row) => row.epoch === request.epoch);
        return snapshot?.epoch === request.epoch ? { ...state, updates, snapshot } : { ...state, updates };
      },
    }),
  },
  'does not answer': {
    fails: 'it answers a ping',
    make: () => ({ ping: async () => false }),
  },
};

/** The adapter with some methods replaced; the rest works on the same store. */
function withBroken(make: Make): PersistenceAdapter {
  const store = new MemoryStore({ clock: systemClock });
  const replaced = make(store);
  return new Proxy(store, {
    get(target, name) {
      const own = Reflect.get(replaced, name) as unknown;
      const found = own ?? (Reflect.get(target, name) as unknown);
      return typeof found === 'function' ? (found.bind(own ? replaced : target) as unknown) : found;
    },
  });
}

describe('the suite notices an adapter that', () => {
  it.each(Object.entries(broken))('%s', async (_name, { make, fails }) => {
    const check = storeChecks[fails];
    expect(check).toBeDefined();
    await expect(check!(withBroken(make))).rejects.toThrow();
  });

  it('(and passes one that is whole)', async () => {
    for (const check of Object.values(storeChecks)) await check(withBroken(() => ({})));
  });
});
