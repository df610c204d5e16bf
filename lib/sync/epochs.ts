import { LRUCache } from 'lru-cache';
import type { Clock } from '../clock.ts';
import type { PersistenceAdapter } from '../store/port.ts';
import type { Stream } from '../stream/port.ts';

export interface Epochs {
  /** The epoch of a topic as it exists now; undefined when there is no such topic. */
  of(topic: string): Promise<number | undefined>;
}

export interface EpochsOptions {
  stream: Pick<Stream, 'identity'>;
  store: Pick<PersistenceAdapter, 'epochOf'>;
  clock: Clock;
  /** How long a topic is taken to be the same one without asking again. */
  identityTtlMs?: number;
  maxTopics?: number;
}

/** Epochs by topic identity, so that a store that is down is asked only about topics never seen before. */
export function createEpochs(options: EpochsOptions): Epochs {
  const { stream, store, clock, identityTtlMs = 10_000, maxTopics = 10_000 } = options;
  const known = new LRUCache<string, { topicId: string; epoch: number; askedAtMs: number }>({
    max: maxTopics,
  });
  return {
    async of(topic) {
      const entry = known.get(topic);
      if (entry && clock.now() - entry.askedAtMs < identityTtlMs) return entry.epoch;
      const askedAtMs = clock.now();
      const identity = await stream.identity(topic);
      if (!identity) return undefined;
      const { topicId } = identity;
      const epoch = entry?.topicId === topicId ? entry.epoch : await store.epochOf(identity);
      known.set(topic, { topicId, epoch, askedAtMs });
      return epoch;
    },
  };
}
