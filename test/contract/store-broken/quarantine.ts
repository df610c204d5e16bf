import { AppError, isAppError } from '../../../lib/errors.ts';
import { PERSISTER_CONSUMER } from '../../../lib/store/port.ts';
import { only, type Breaks } from './break.ts';

export const quarantineBreaks: Breaks = {
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
};
