import { isAppError } from '../../../lib/errors.ts';
import { editConsume, type BreaksByCheck } from './break.ts';

/** By the check that must fail. */
export const consumeBreaks: BreaksByCheck = {
  'consume: a group member gets all partitions, each in order': {
    'loses a record on the way to a consumer': (good) => {
      let records = 0;
      return editConsume(good, ({ onBatch }) => ({
        onBatch: (batch, context) =>
          onBatch({ ...batch, records: batch.records.filter(() => ++records % 7 !== 0) }, context),
      }));
    },
  },
  'consume: a group takes up topics that are made later and that it accepts, from their beginning': {
    'never sees topics made later': (good) => editConsume(good, () => ({ accepts: () => false })),
    'takes every topic made later': (good) => editConsume(good, () => ({ accepts: () => true })),
  },
  'consume: a partition begins at the consumer’s own position': {
    'ignores where a consumer stands': (good) =>
      editConsume(good, ({ startOffset }) => ({
        startOffset: (partition) => startOffset(partition).then(() => 0),
      })),
    'starts a partition at the end': (good) =>
      editConsume(good, () => ({ startOffset: (partition) => good.endOffset(partition) })),
  },
  'consume: a partition is at one member at a time, and the next member takes over without a gap': {
    'gives every member every partition': (good) => {
      let members = 0;
      return editConsume(good, ({ group }) => ({ group: `${group}-${members++}` }));
    },
    'says of a partition that has gone to another member that it is its own': (good) => ({
      async consume(request) {
        const { stop } = await good.consume(request);
        return { stop, isAssigned: () => true };
      },
    }),
  },
  'consume: a rejected batch comes again, nothing is skipped, and other partitions go on': {
    'is silent about failures of a consumer': (good) =>
      editConsume(good, () => ({ onError: () => undefined })),
    'skips a batch that was rejected': (good) =>
      editConsume(good, ({ onBatch, onError }) => ({
        onBatch: (batch, context) =>
          onBatch(batch, context).catch((error: unknown) => {
            onError?.(error as Error);
            return batch.nextOffset;
          }),
      })),
  },
  'consume: a stopped member gets no further batch; its running one may end': {
    'keeps a stopped member at work': (good) => ({
      async consume(request) {
        const { isAssigned } = await good.consume(request);
        return { stop: () => Promise.resolve(), isAssigned };
      },
    }),
  },
  'consume: a partition whose position has been trimmed raises the alarm, the others go on': {
    'is silent about a position that has been trimmed': (good) =>
      editConsume(good, ({ onError }) => ({
        onError: (error) => {
          if (!isAppError(error, 'STREAM_OFFSET_OUT_OF_RANGE')) onError?.(error);
        },
      })),
  },
  'consume: the returned offset may lie ahead: what is between does not come': {
    'seeks backwards only': (good) =>
      editConsume(good, ({ onBatch }) => ({
        onBatch: async (batch, context) => Math.min(await onBatch(batch, context), batch.nextOffset),
      })),
  },
  'consume: groups do not take records from each other': {
    'puts all consumers into one group': (good) => editConsume(good, () => ({ group: 'one' })),
  },
  'consume: the returned offset is where consuming goes on, backwards too': {
    'ignores the offset that a consumer returns': (good) =>
      editConsume(good, ({ onBatch }) => ({
        onBatch: (batch, context) => onBatch(batch, context).then(() => batch.nextOffset),
      })),
  },
};
