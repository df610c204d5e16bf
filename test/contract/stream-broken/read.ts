import type { BreaksByCheck } from './break.ts';

/** By the check that must fail. */
export const readBreaks: BreaksByCheck = {
  'read: offsets of missing and of empty partitions are 0': {
    'knows no offsets of a missing topic': (good) => ({
      async endOffset(partition) {
        if (!(await good.identity(partition.topic))) throw new Error('no such topic');
        return good.endOffset(partition);
      },
    }),
  },
  'read: read of an empty or reversed range resolves with nothing': {
    'always reads at least one record': (good) => ({
      read: (request) =>
        good.read({ ...request, toOffset: Math.max(request.toOffset, request.fromOffset + 1) }),
    }),
  },
  'read: read of a missing topic fails with STREAM_TOPIC_MISSING': {
    'reads nothing from a missing topic': (good) => ({
      read: async (request) =>
        (await good.identity(request.topic))
          ? good.read(request)
          : { ...request, fetchOffset: 0, nextOffset: 0, records: [] },
    }),
  },
  'read: read beyond maxBytes fails with STORE_BEHIND instead of cutting off': {
    'ignores maxBytes': (good) => ({
      read: (request) => good.read({ ...request, maxBytes: Infinity }),
    }),
  },
  'read: read from a trimmed offset fails with STREAM_OFFSET_OUT_OF_RANGE': {
    'reads a trimmed range from where the log begins': (good) => ({
      async read(request) {
        const start = await good.startOffset(request);
        return good.read({ ...request, fromOffset: Math.max(request.fromOffset, start) });
      },
    }),
  },
  'read: read gives exactly the range, without waiting for more': {
    'reads past the range': (good) => ({
      read: (request) => good.read({ ...request, toOffset: request.toOffset + 1 }),
    }),
  },
  'read: read of a long range is complete': {
    'cuts a long read off': (good) => ({
      async read(request) {
        const batch = await good.read(request);
        return { ...batch, records: batch.records.slice(0, 1000) };
      },
    }),
  },
};
