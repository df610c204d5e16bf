import { describe, expect, it } from '@jest/globals';
import { systemClock, type Clock } from '../../../lib/clock.ts';
import { AppError } from '../../../lib/errors.ts';
import { Appender } from '../../../lib/gateway/appender.ts';
import { silentLogger } from '../../../lib/log.ts';
import type { Stream, StreamRecord, TopicPartition, TopicSpec } from '../../../lib/stream/port.ts';
import { ManualClock } from './manual-clock.ts';

const record = (key: string): StreamRecord => ({ key, value: Uint8Array.of(1), headers: {} });
const target = (topic: string) => ({ topic, partition: 0 });
const spec = (topic: string) => (): TopicSpec => ({ topic, kind: 'doc', partitions: 1 });

/** Records calls; topics exist once they have been made. */
function setUp(options: { maxMakeWaitMs?: number; known?: string[]; clock?: Clock } = {}) {
  const topics = new Map<string, string[]>([['control', []]]);
  const made: string[] = [];
  const stream = {
    identity: async (topic: string) => (topics.has(topic) ? { topic } : undefined),
    ensureTopics: async (specs: TopicSpec[]) => {
      await new Promise((resolve) => setImmediate(resolve));
      for (const { topic } of specs) {
        made.push(topic);
        topics.set(topic, []);
      }
    },
    append: async ({ topic }: TopicPartition, records: StreamRecord[]) => {
      if (!topics.has(topic)) throw new AppError('STREAM_TOPIC_MISSING');
      topics.get(topic)!.push(...records.map(({ key }) => key));
      return [0];
    },
  };
  const appender = new Appender({
    stream: stream as unknown as Stream,
    clock: options.clock ?? systemClock,
    logger: silentLogger,
    controlTopic: 'control',
    knownTopics: options.known ?? [],
    makeIntervalMs: 20,
    maxMakeWaitMs: options.maxMakeWaitMs ?? 1000,
  });
  const append = (topic: string, key: string) => appender.append(target(topic), spec(topic), record(key));
  return { append, topics, made };
}

/** Everything that can go on without time has gone on. */
async function settle(clock: ManualClock): Promise<void> {
  for (let turn = 0; turn < 20; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(0);
  }
}

describe('appending', () => {
  it('makes a missing topic once, announces it, and keeps the order of the calls', async () => {
    const { append, topics, made } = setUp();
    const calls: Promise<void>[] = [];
    for (let i = 0; i < 20; i++) {
      calls.push(append('room', String(i)));
      if (i % 4 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(calls);
    expect(made).toEqual(['room']);
    expect(topics.get('room')).toEqual(Array.from({ length: 20 }, (_, i) => String(i)));
    expect(topics.get('control')).toEqual(['room']);
  });

  it('makes no more topics than the rate allows; who would wait too long is refused, retryably', async () => {
    const clock = new ManualClock();
    const { append, made } = setUp({ maxMakeWaitMs: 50, clock });
    const results = Promise.allSettled(Array.from({ length: 10 }, (_, i) => append(`room${i}`, 'x')));
    // One at once and one every 20 ms: the fourth would wait for 60 ms, longer than it may.
    await settle(clock);
    for (const topics of [1, 2]) {
      expect(made).toHaveLength(topics);
      clock.advance(19);
      await settle(clock);
      expect(made).toHaveLength(topics);
      clock.advance(1);
      await settle(clock);
    }
    expect(made).toHaveLength(3);
    const refused = (await results).filter((result) => result.status === 'rejected');
    expect(refused).toHaveLength(7);
    expect(refused[0]).toMatchObject({ reason: { type: 'STREAM_UNAVAILABLE', retryable: true } });
  });

  it('a topic that was taken away is made again by the next append', async () => {
    const { append, made } = setUp({ known: ['room'] });
    await expect(append('room', 'lost')).rejects.toMatchObject({ type: 'STREAM_TOPIC_MISSING' });
    await append('room', 'kept');
    expect(made).toEqual(['room']);
  });
});
