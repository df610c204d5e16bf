import { PERSISTER_CONSUMER, type LoadRequest, type Snapshot } from '../../../lib/store/port.ts';
import type { Breaks } from './break.ts';

export const snapshotsBreaks: Breaks = {
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
};
