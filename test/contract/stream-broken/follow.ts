import { later, mapBatches, type BreaksByCheck } from './break.ts';

const quietFollow = { startOffset: 0, stop: () => Promise.resolve() };

/** By the check that must fail. */
export const followBreaks: BreaksByCheck = {
  'follow: a follow from a trimmed offset is told so and ends; from 0 it begins at what is left': {
    'jumps over a trimmed range in silence': (good) => ({
      async follow(request) {
        const start = await good.startOffset(request);
        const from = request.fromOffset;
        return good.follow({ ...request, fromOffset: from === 'end' ? from : Math.max(from, start) });
      },
    }),
  },
  'follow: a follow from an offset sees that record first': {
    'follows from one record later': (good) => ({
      follow: (request) =>
        good.follow({
          ...request,
          fromOffset: request.fromOffset === 'end' ? 'end' : request.fromOffset + 1,
        }),
    }),
  },
  'follow: a follow from beyond the end is told so and ends': {
    'is silent about an offset beyond the end': (good) => ({
      follow: async (request) =>
        typeof request.fromOffset === 'number' && request.fromOffset > (await good.endOffset(request))
          ? quietFollow
          : good.follow(request),
    }),
  },
  'follow: a follow of a missing topic begins at once and delivers when the topic is there': {
    'refuses to follow a missing topic': (good) => ({
      async follow(request) {
        if (!(await good.identity(request.topic))) throw new Error('no such topic');
        return good.follow(request);
      },
    }),
  },
  'follow: a follow of the end of an empty partition sees its first record': {
    'takes the end of an empty partition for 1': (good) => ({
      follow: async (request) => {
        const skipsFirst = request.fromOffset === 'end' && (await good.endOffset(request)) === 0;
        return mapBatches(good, request, (batch) => ({
          ...batch,
          records: batch.records.filter(({ offset }) => !skipsFirst || offset > 0),
        }));
      },
    }),
  },
  'follow: a follow of the end sees exactly what is appended after it has begun': {
    'follows the end from the beginning': (good) => ({
      follow: (request) =>
        good.follow({ ...request, fromOffset: request.fromOffset === 'end' ? 0 : request.fromOffset }),
    }),
    'misses what comes just after a follow has begun': (good) => ({
      async follow(request) {
        const startOffset = await good.endOffset(request);
        if (request.fromOffset !== 'end') return good.follow(request);
        let stopped = false;
        void later(30).then(() => (stopped ? undefined : good.follow(request)));
        return { startOffset, stop: async () => void (stopped = true) };
      },
    }),
  },
  'follow: a slow follower gets one batch at a time, loses nothing and holds nobody up': {
    'does not wait for a slow follower': (good) => ({
      follow: (request) =>
        good.follow({
          ...request,
          onBatch: (batch) => void request.onBatch(batch),
        }),
    }),
  },
  'follow: a stopped follow delivers nothing more; stopping again is harmless': {
    'goes on after stop': (good) => ({
      async follow(request) {
        const { startOffset } = await good.follow(request);
        return { startOffset, stop: () => Promise.resolve() };
      },
    }),
  },
  'follow: batches follow each other without gap, the first from the offset that was asked for': {
    'forgets a batch while it follows': (good) => {
      let batches = 0;
      return {
        follow: (request) => mapBatches(good, request, (batch) => (++batches % 3 === 0 ? undefined : batch)),
      };
    },
    'says that a batch begins at its first record + 1': (good) => ({
      follow: (request) =>
        mapBatches(good, request, (batch) => ({ ...batch, fetchOffset: batch.fetchOffset + 1 })),
    }),
  },
  'follow: every follower sees every record': {
    'gives a record to one follower only': (good) => {
      const taken = new Set<string>();
      return {
        follow: (request) =>
          mapBatches(good, request, (batch) => ({
            ...batch,
            records: batch.records.filter(({ offset }) => {
              const key = `${batch.topic}/${batch.partition}/${offset}`;
              const isNew = !taken.has(key);
              taken.add(key);
              return isNew;
            }),
          })),
      };
    },
  },
};
