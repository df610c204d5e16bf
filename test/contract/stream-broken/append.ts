import { later, mapAppended, mapBatches, type AppendArguments, type BreaksByCheck } from './break.ts';

/** By the check that must fail. */
export const appendBreaks: BreaksByCheck = {
  'append: a record beyond the limit is refused with its whole append, and later ones go on': {
    'cuts off a record that is too large': mapAppended((record) => ({
      ...record,
      value: record.value.subarray(0, 2 * 1024 * 1024),
    })),
  },
  'append: an append of nothing resolves with no offsets': {
    'writes a record for an append of nothing': (good) => ({
      append: (target, records, options) =>
        good.append(
          target,
          records.length > 0 ? records : [{ key: '', value: new Uint8Array(0), headers: {} }],
          options,
        ),
    }),
  },
  'append: partitions have their own offsets and records': {
    'puts everything into one partition': (good) => ({
      append: ({ topic }, records, options) => good.append({ topic, partition: 0 }, records, options),
    }),
  },
  'append: an append to a missing topic fails and makes none': {
    'makes a topic at the first append': (good) => ({
      async append(...args: AppendArguments) {
        const { topic } = args[0];
        if (!(await good.identity(topic))) await good.ensureTopics([{ topic, kind: 'doc', partitions: 1 }]);
        return good.append(...args);
      },
    }),
  },
  'append: append resolves with the offsets at which the records are delivered': {
    'delivers a batch in reverse': (good) => ({
      follow: (request) =>
        mapBatches(good, request, (batch) => ({ ...batch, records: [...batch.records].reverse() })),
    }),
    'doubles an append': (good) => ({
      async append(...args: AppendArguments) {
        await good.append(...args);
        return good.append(...args);
      },
    }),
    'loses the last record of an append': (good) => ({
      async append(target, records, options) {
        const kept = await good.append(target, records.slice(0, -1), options);
        return [...kept, (kept.at(-1) ?? -1) + 1];
      },
    }),
    'numbers offsets from 1': (good) => ({
      append: async (...args: AppendArguments) => (await good.append(...args)).map((offset) => offset + 1),
    }),
    'reverses the records of an append': (good) => ({
      append: async (target, records, options) =>
        (await good.append(target, [...records].reverse(), options)).reverse(),
    }),
  },
  'append: appends to one partition are in the log in the order of the calls': {
    'acknowledges what it drops': (good) => {
      let calls = 0;
      return {
        append: async (...args: AppendArguments) =>
          ++calls % 4 === 0 ? args[1].map((_, at) => calls + at) : good.append(...args),
      };
    },
    'appends in another order than called': (good) => ({
      async append(...args: AppendArguments) {
        await later(Math.random() * 5);
        return good.append(...args);
      },
    }),
  },
  'append: droppable records reach the followers, and offsets grow over them': {
    'drops what is droppable always': (good) => ({
      append: async (target, records, options) =>
        options?.durability === 'droppable'
          ? records.map(() => (options ? 1_000_000 : 0))
          : good.append(target, records, options),
    }),
  },
  'append: keys, headers and values come back as they were, by follow and by read': {
    'loses headers': mapAppended((record) => ({ ...record, headers: {} })),
    'sends the whole buffer of a view': mapAppended((record) => ({
      ...record,
      value: new Uint8Array(record.value.buffer),
    })),
    'writes keys as latin1': mapAppended((record) => ({
      ...record,
      key: Buffer.from(record.key, 'latin1').toString('latin1'),
    })),
  },
  'append: what append has resolved is in the log at once': {
    'gives the last offset as the end': (good) => ({
      endOffset: async (partition) => Math.max(0, (await good.endOffset(partition)) - 1),
    }),
    'resolves an append before it is in the log': (good) => {
      const ends = new Map<string, number>();
      return {
        async append(...args: AppendArguments) {
          const [target, records] = args;
          const key = `${target.topic}/${target.partition}`;
          const first = ends.get(key) ?? (await good.endOffset(target));
          ends.set(key, first + records.length);
          // The check has closed the log by then.
          void later(20).then(() => good.append(...args).catch(() => undefined));
          return records.map((_, at) => first + at);
        },
      };
    },
  },
};
