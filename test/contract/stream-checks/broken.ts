import type {
  AppendOptions,
  ConsumeRequest,
  FollowRequest,
  RecordBatch,
  Stream,
  StreamRecord,
  TopicPartition,
} from '../../../lib/stream/port.ts';

/** A good stream with some methods replaced: each breaks one promise of the port. */
type Break = (good: Stream) => Partial<Stream>;

type AppendArguments = [TopicPartition, readonly StreamRecord[], AppendOptions?];

const later = (delayMs: number) => new Promise((resolve) => setTimeout(resolve, delayMs));
const quietFollow = { startOffset: 0, stop: () => Promise.resolve() };

function mapBatches(
  good: Stream,
  request: FollowRequest,
  change: (batch: RecordBatch) => RecordBatch | undefined,
) {
  return good.follow({
    ...request,
    onBatch: (batch) => {
      const changed = change(batch);
      return changed === undefined ? undefined : request.onBatch(changed);
    },
  });
}

export const BREAKS: Record<string, Break> = {
  'loses the last record of an append': (good) => ({
    async append(target, records, options) {
      const kept = await good.append(target, records.slice(0, -1), options);
      return [...kept, (kept.at(-1) ?? -1) + 1];
    },
  }),
  'acknowledges what it drops': (good) => {
    let calls = 0;
    return {
      append: async (...args: AppendArguments) =>
        ++calls % 4 === 0 ? args[1].map((_, at) => calls + at) : good.append(...args),
    };
  },
  'doubles an append': (good) => ({
    async append(...args: AppendArguments) {
      await good.append(...args);
      return good.append(...args);
    },
  }),
  'reverses the records of an append': (good) => ({
    append: async (target, records, options) =>
      (await good.append(target, [...records].reverse(), options)).reverse(),
  }),
  'appends in another order than called': (good) => ({
    async append(...args: AppendArguments) {
      await later(Math.random() * 5);
      return good.append(...args);
    },
  }),
  'resolves an append before it is in the log': (good) => {
    const ends = new Map<string, number>();
    return {
      async append(...args: AppendArguments) {
        const [target, records] = args;
        const key = `${target.topic}/${target.partition}`;
        const first = ends.get(key) ?? (await good.endOffset(target));
        ends.set(key, first + records.length);
        void later(20).then(() => good.append(...args));
        return records.map((_, at) => first + at);
      },
    };
  },
  'numbers offsets from 1': (good) => ({
    append: async (...args: AppendArguments) => (await good.append(...args)).map((offset) => offset + 1),
  }),
  'makes a topic at the first append': (good) => ({
    async append(...args: AppendArguments) {
      const { topic } = args[0];
      if (!(await good.identity(topic))) await good.ensureTopics([{ topic, kind: 'doc', partitions: 1 }]);
      return good.append(...args);
    },
  }),
  'cuts off a record that is too large': (good) => ({
    append: (target, records, options) =>
      good.append(
        target,
        records.map((record) => ({ ...record, value: record.value.subarray(0, 2 * 1024 * 1024) })),
        options,
      ),
  }),
  'loses headers': (good) => ({
    append: (target, records, options) =>
      good.append(
        target,
        records.map((record) => ({ ...record, headers: {} })),
        options,
      ),
  }),
  'writes keys as latin1': (good) => ({
    append: (target, records, options) =>
      good.append(
        target,
        records.map((record) => ({ ...record, key: Buffer.from(record.key, 'latin1').toString('latin1') })),
        options,
      ),
  }),
  'sends the whole buffer of a view': (good) => ({
    append: (target, records, options) =>
      good.append(
        target,
        records.map((record) => ({ ...record, value: new Uint8Array(record.value.buffer) })),
        options,
      ),
  }),
  'drops what is droppable always': (good) => ({
    append: async (target, records, options) =>
      options?.durability === 'droppable'
        ? records.map(() => (options ? 1_000_000 : 0))
        : good.append(target, records, options),
  }),
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
  'follows from one record later': (good) => ({
    follow: (request) =>
      good.follow({
        ...request,
        fromOffset: request.fromOffset === 'end' ? 'end' : request.fromOffset + 1,
      }),
  }),
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
  'refuses to follow a missing topic': (good) => ({
    async follow(request) {
      if (!(await good.identity(request.topic))) throw new Error('no such topic');
      return good.follow(request);
    },
  }),
  'delivers a batch in reverse': (good) => ({
    follow: (request) =>
      mapBatches(good, request, (batch) => ({ ...batch, records: [...batch.records].reverse() })),
  }),
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
  'does not wait for a slow follower': (good) => ({
    follow: (request) =>
      good.follow({
        ...request,
        onBatch: (batch) => void request.onBatch(batch),
      }),
  }),
  'goes on after stop': (good) => ({
    async follow(request) {
      const { startOffset } = await good.follow(request);
      return { startOffset, stop: () => Promise.resolve() };
    },
  }),
  'jumps over a trimmed range in silence': (good) => ({
    async follow(request) {
      const start = await good.startOffset(request);
      const from = request.fromOffset;
      return good.follow({ ...request, fromOffset: from === 'end' ? from : Math.max(from, start) });
    },
  }),
  'is silent about an offset beyond the end': (good) => ({
    follow: async (request) =>
      typeof request.fromOffset === 'number' && request.fromOffset > (await good.endOffset(request))
        ? quietFollow
        : good.follow(request),
  }),
  'reads a trimmed range from where the log begins': (good) => ({
    async read(request) {
      const start = await good.startOffset(request);
      return good.read({ ...request, fromOffset: Math.max(request.fromOffset, start) });
    },
  }),
  'reads past the range': (good) => ({
    read: (request) => good.read({ ...request, toOffset: request.toOffset + 1 }),
  }),
  'cuts a long read off': (good) => ({
    async read(request) {
      const batch = await good.read(request);
      return { ...batch, records: batch.records.slice(0, 1000) };
    },
  }),
  'ignores maxBytes': (good) => ({
    read: (request) => good.read({ ...request, maxBytes: Infinity }),
  }),
  'gives the last offset as the end': (good) => ({
    endOffset: async (partition) => Math.max(0, (await good.endOffset(partition)) - 1),
  }),
  'takes the identity from the name': (good) => ({
    async identity(topic) {
      const identity = await good.identity(topic);
      return identity && { ...identity, topicId: 'the-same-for-every-topic' };
    },
  }),
  'makes up an identity for a missing topic': (good) => ({
    identity: async (topic) =>
      (await good.identity(topic)) ?? { topic, topicId: topic, clusterId: 'cluster', partitions: 1 },
  }),
  'gives another identity each time': (good) => ({
    async identity(topic) {
      const identity = await good.identity(topic);
      return identity && { ...identity, topicId: `${Math.random()}-${identity.topicId}` };
    },
  }),
  'takes any partition count': (good) => ({
    ensureTopics: (specs) => good.ensureTopics(specs).catch(() => undefined),
  }),
  'announces no topics': () => ({ topics: () => ({ stop: () => Promise.resolve() }) }),
  'announces a topic at each ensureTopics': (good) => {
    const listeners = new Set<(topic: string) => void>();
    return {
      topics(onTopic) {
        listeners.add(onTopic);
        return { stop: async () => void listeners.delete(onTopic) };
      },
      async ensureTopics(specs) {
        await good.ensureTopics(specs);
        for (const { topic } of specs) for (const listener of listeners) listener(topic);
      },
    };
  },
  'pretends to answer after close': () => ({ ping: () => Promise.resolve(true) }),
  'drops what is being appended when it closes': (good) => {
    let closing = false;
    return {
      async append(...args: AppendArguments) {
        await later(5);
        if (closing) return args[1].map((_, at) => at);
        return good.append(...args);
      },
      async close() {
        closing = true;
        await good.close();
      },
    };
  },
  ...consumerBreaks(),
};

function consumerBreaks(): Record<string, Break> {
  const change = (good: Stream, edit: (request: ConsumeRequest) => Partial<ConsumeRequest>) => ({
    consume: (request: ConsumeRequest) => good.consume({ ...request, ...edit(request) }),
  });
  return {
    'skips a batch that was rejected': (good) =>
      change(good, ({ onBatch, onError }) => ({
        onBatch: (batch, context) =>
          onBatch(batch, context).catch((error: unknown) => {
            onError?.(error as Error);
            return batch.nextOffset;
          }),
      })),
    'ignores the offset that a consumer returns': (good) =>
      change(good, ({ onBatch }) => ({
        onBatch: (batch, context) => onBatch(batch, context).then(() => batch.nextOffset),
      })),
    'ignores where a consumer stands': (good) =>
      change(good, ({ startOffset }) => ({
        startOffset: (partition) => startOffset(partition).then(() => 0),
      })),
    'starts a partition at the end': (good) =>
      change(good, () => ({ startOffset: (partition) => good.endOffset(partition) })),
    'gives every member every partition': (good) => {
      let members = 0;
      return change(good, ({ group }) => ({ group: `${group}-${members++}` }));
    },
    'puts all consumers into one group': (good) => change(good, () => ({ group: 'one' })),
    'never sees topics made later': (good) => change(good, () => ({ accepts: () => false })),
    'takes every topic made later': (good) => change(good, () => ({ accepts: () => true })),
    'keeps a stopped member at work': (good) => ({
      async consume(request) {
        await good.consume(request);
        return { stop: () => Promise.resolve() };
      },
    }),
    'is silent about failures of a consumer': (good) => change(good, () => ({ onError: () => undefined })),
    'loses a record on the way to a consumer': (good) => {
      let records = 0;
      return change(good, ({ onBatch }) => ({
        onBatch: (batch, context) =>
          onBatch({ ...batch, records: batch.records.filter(() => ++records % 7 !== 0) }, context),
      }));
    },
  };
}

/** The good stream with one promise broken. */
export function breakStream(good: Stream, name: string): Stream {
  const broken = BREAKS[name]!(good);
  return new Proxy(good, {
    get(target, property) {
      const own = Object.hasOwn(broken, property);
      const value: unknown = own ? Reflect.get(broken, property) : Reflect.get(target, property, target);
      // Private fields are not on the proxy: methods need the real object.
      return typeof value === 'function' ? value.bind(own ? broken : target) : value;
    },
  });
}
