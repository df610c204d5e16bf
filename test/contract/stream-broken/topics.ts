import { randomUUID } from 'node:crypto';
import { later, type AppendArguments, type BreaksByCheck } from './break.ts';

/** By the check that must fail. */
export const topicsBreaks: BreaksByCheck = {
  'lifecycle: close flushes what is being appended': {
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
  },
  'lifecycle: close is idempotent and ends appends, followers and members': {
    'fails when it is closed twice': (good) => {
      let closed = false;
      return {
        close() {
          if (closed) return Promise.reject(new Error('closed already'));
          closed = true;
          return good.close();
        },
      };
    },
  },
  'lifecycle: after reopening, records, identity and offsets are what they were': {
    'makes a new cluster id at each start': (good) => {
      const clusterId = randomUUID();
      return {
        async identity(topic) {
          const identity = await good.identity(topic);
          return identity && { ...identity, clusterId };
        },
      };
    },
  },
  'topics: ensureTopics makes what is missing and leaves the rest as it is, also when called at once': {
    'cannot make a topic twice at a time': (good) => {
      let busy = false;
      return {
        async ensureTopics(specs) {
          if (busy) throw new Error('the topic exists');
          busy = true;
          await later(1);
          busy = false;
          return good.ensureTopics(specs);
        },
      };
    },
  },
  'topics: listTopics names what exists': {
    'lists no topics': () => ({ listTopics: () => Promise.resolve([]) }),
  },
  'lifecycle: ping tells whether the log answers': {
    'pretends to answer after close': () => ({ ping: () => Promise.resolve(true) }),
  },
  'topics: a topic has an identity of its own that stays; a missing one has none': {
    'gives another identity each time': (good) => ({
      async identity(topic) {
        const identity = await good.identity(topic);
        return identity && { ...identity, topicId: `${Math.random()}-${identity.topicId}` };
      },
    }),
    'makes up an identity for a missing topic': (good) => ({
      identity: async (topic) =>
        (await good.identity(topic)) ?? { topic, topicId: topic, clusterId: 'cluster', partitions: 1 },
    }),
    'takes the identity from the name': (good) => ({
      async identity(topic) {
        const identity = await good.identity(topic);
        return identity && { ...identity, topicId: 'the-same-for-every-topic' };
      },
    }),
  },
  'topics: ensureTopics refuses another partition count than the topic has': {
    'takes any partition count': (good) => ({
      ensureTopics: (specs) => good.ensureTopics(specs).catch(() => undefined),
    }),
  },
  'topics: topics() announces what is made after the call, once, until it is stopped': {
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
    'announces no topics': () => ({ topics: () => ({ stop: () => Promise.resolve() }) }),
  },
};
