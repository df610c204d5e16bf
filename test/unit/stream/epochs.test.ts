import { describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../lib/clock.ts';
import { AppError } from '../../../lib/errors.ts';
import { EpochBook, registerTopics } from '../../../lib/stream/epochs.ts';
import type { TopicIdentity, TopicSpec } from '../../../lib/stream/port.ts';

/** The rows of stream_topics, by the contract of the store. */
class Rows {
  readonly rows: TopicIdentity[] = [];
  lookups = 0;
  failure: Error | undefined;

  async epochOf(identity: TopicIdentity): Promise<number> {
    this.lookups++;
    if (this.failure) throw this.failure;
    const epoch = this.rows.findLastIndex((row) => row.topic === identity.topic) + 1;
    if (epoch === 0) return this.rows.push(identity);
    const { topicId, clusterId, partitions } = this.rows[epoch - 1]!;
    const data = { topic: identity.topic, epoch, topicId, clusterId, partitions };
    if (topicId !== identity.topicId || clusterId !== identity.clusterId)
      throw new AppError('STREAM_IDENTITY_CHANGED', { data });
    if (partitions !== identity.partitions) throw new AppError('STREAM_PARTITIONS_CHANGED', { data });
    return epoch;
  }

  async adoptEpoch(identity: TopicIdentity): Promise<number> {
    return this.rows.push(identity);
  }
}

class Topics {
  readonly topics = new Map<string, TopicIdentity>();
  asked = 0;
  readonly #clusterId: string;

  constructor(clusterId = 'cluster-1') {
    this.#clusterId = clusterId;
  }

  make(topic: string, topicId: string, partitions: number): void {
    this.topics.set(topic, { topic, topicId, clusterId: this.#clusterId, partitions });
  }

  async ensureTopics(specs: readonly TopicSpec[]): Promise<void> {
    for (const { topic, partitions } of specs) {
      const found = this.topics.get(topic)?.partitions;
      if (found === undefined) this.make(topic, `id-of-${topic}`, partitions);
      else if (found !== partitions)
        throw new AppError('STREAM_PARTITIONS_CHANGED', { data: { topic, found, expected: partitions } });
    }
  }

  async identity(topic: string): Promise<TopicIdentity | undefined> {
    this.asked++;
    return this.topics.get(topic);
  }
}

const specs: TopicSpec[] = [
  { topic: 'yjs-doc', kind: 'doc', partitions: 16 },
  { topic: 'yjs-awareness', kind: 'awareness', partitions: 16 },
];

describe('registerTopics', () => {
  it('makes the topics and gives each identity its epoch, the same at every start', async () => {
    const [stream, store] = [new Topics(), new Rows()];
    const first = await registerTopics({ stream, store, specs });
    expect([...first.keys()]).toEqual(['yjs-doc', 'yjs-awareness']);
    expect(new Set(first.values()).size).toBe(2);
    expect(await registerTopics({ stream, store, specs })).toEqual(first);
  });

  it('refuses another partition count than the log has, and says which one to configure', async () => {
    const [stream, store] = [new Topics(), new Rows()];
    stream.make('yjs-doc', 'id', 8);
    const failure = registerTopics({ stream, store, specs });
    await expect(failure).rejects.toMatchObject({ type: 'STREAM_PARTITIONS_CHANGED' });
    await expect(failure).rejects.toThrow(/yjs-doc has 8 partitions.*asks for 16.*PARTITIONS=8/s);
  });

  it('refuses a topic that was made again, and says how it is adopted', async () => {
    const [stream, store] = [new Topics(), new Rows()];
    await registerTopics({ stream, store, specs });
    stream.make('yjs-doc', 'another-id', 16);
    const failure = registerTopics({ stream, store, specs });
    await expect(failure).rejects.toMatchObject({ type: 'STREAM_IDENTITY_CHANGED' });
    await expect(failure).rejects.toThrow(
      /yjs-doc.*recorded as epoch 1, topicId id-of-yjs-doc.*found as topic id another-id.*YKAFKA_ADOPT_TOPICS=yjs-doc/s,
    );
  });

  it('names all topics of another log at once, in the words that adopt them', async () => {
    const store = new Rows();
    await registerTopics({ stream: new Topics(), store, specs });
    const stream = new Topics('cluster-2');
    const refused = await registerTopics({ stream, store, specs }).catch((error: unknown) => error);
    expect(refused).toMatchObject({
      type: 'STREAM_IDENTITY_CHANGED',
      data: { topics: ['yjs-doc', 'yjs-awareness'] },
      message: expect.stringContaining('YKAFKA_ADOPT_TOPICS=yjs-doc,yjs-awareness:'),
    });
    const half = registerTopics({ stream, store, specs, adopt: ['yjs-doc'] });
    await expect(half).rejects.toMatchObject({
      message: expect.stringContaining('YKAFKA_ADOPT_TOPICS=yjs-awareness:'),
    });
    const adopt = ['yjs-doc', 'yjs-awareness'];
    expect((await registerTopics({ stream, store, specs, adopt })).size).toBe(2);
  });

  it('refuses the same topic names of another cluster', async () => {
    const store = new Rows();
    await registerTopics({ stream: new Topics('cluster-1'), store, specs });
    const failure = registerTopics({ stream: new Topics('cluster-2'), store, specs });
    await expect(failure).rejects.toMatchObject({ type: 'STREAM_IDENTITY_CHANGED' });
  });

  it('refuses a topic that got more partitions in place, although the configuration follows it', async () => {
    const [stream, store] = [new Topics(), new Rows()];
    await registerTopics({ stream, store, specs });
    stream.make('yjs-doc', 'id-of-yjs-doc', 32);
    const wider = specs.map((spec) => (spec.topic === 'yjs-doc' ? { ...spec, partitions: 32 } : spec));
    const failure = registerTopics({ stream, store, specs: wider });
    await expect(failure).rejects.toMatchObject({ type: 'STREAM_PARTITIONS_CHANGED' });
    await expect(failure).rejects.toThrow(/partitions 16, found with 32 partitions.*YKAFKA_ADOPT_TOPICS/s);
  });

  it('begins a new epoch for a topic that is adopted, and for no other', async () => {
    const [stream, store] = [new Topics(), new Rows()];
    const before = await registerTopics({ stream, store, specs });
    stream.make('yjs-doc', 'another-id', 16);
    const after = await registerTopics({ stream, store, specs, adopt: ['yjs-doc'] });
    expect(after.get('yjs-doc')).toBeGreaterThan(before.get('yjs-doc')!);
    expect(after.get('yjs-awareness')).toBe(before.get('yjs-awareness'));
  });
});

describe('EpochBook', () => {
  it('asks once for each topic, also when many ask at once', async () => {
    const [stream, store] = [new Topics(), new Rows()];
    stream.make('room', 'id', 1);
    const book = new EpochBook({ stream, store });
    const epochs = await Promise.all(Array.from({ length: 20 }, () => book.epochOf('room')));
    expect(new Set([...epochs, await book.epochOf('room')]).size).toBe(1);
    expect([stream.asked, store.lookups]).toEqual([1, 1]);
  });

  it('knows what was registered without asking', async () => {
    const [stream, store] = [new Topics(), new Rows()];
    const book = new EpochBook({ stream, store, known: new Map([['yjs-doc', 7]]) });
    expect(await book.epochOf('yjs-doc')).toBe(7);
    expect(stream.asked).toBe(0);
  });

  it('does not keep a failed lookup', async () => {
    const [stream, store] = [new Topics(), new Rows()];
    const book = new EpochBook({ stream, store });
    await expect(book.epochOf('room')).rejects.toMatchObject({ type: 'STREAM_TOPIC_MISSING' });
    stream.make('room', 'id', 1);
    store.failure = new AppError('STORE_UNAVAILABLE');
    await expect(book.epochOf('room')).rejects.toMatchObject({ type: 'STORE_UNAVAILABLE' });
    store.failure = undefined;
    expect(await book.epochOf('room')).toBe(1);
  });

  it('notices a topic that was made again, and asks the store only about what is new', async () => {
    const [stream, store] = [new Topics(), new Rows()];
    let nowMs = 0;
    const clock = { ...systemClock, now: () => nowMs };
    stream.make('room', 'id', 1);
    const book = new EpochBook({ stream, store, clock, identityTtlMs: 1000 });
    expect(await book.epochOf('room')).toBe(1);
    nowMs = 999;
    expect(await book.epochOf('room')).toBe(1);
    expect(stream.asked).toBe(1);
    nowMs = 1000;
    store.failure = new AppError('STORE_UNAVAILABLE');
    expect(await book.epochOf('room')).toBe(1);
    expect([stream.asked, store.lookups]).toEqual([2, 1]);
    store.failure = undefined;
    stream.make('room', 'another-id', 1);
    nowMs = 2000;
    await expect(book.epochOf('room')).rejects.toMatchObject({ type: 'STREAM_IDENTITY_CHANGED' });
  });

  it('gives nobody the epoch of another topic than the one that he sees, however fresh it is', async () => {
    const [stream, store] = [new Topics(), new Rows()];
    stream.make('room', 'id', 1);
    const book = new EpochBook({ stream, store });
    expect(await book.epochOf('room', 'id')).toBe(1);
    expect(await book.epochOf('room', 'id')).toBe(1);
    expect(stream.asked).toBe(1);
    await expect(book.epochOf('room', 'another-id')).rejects.toMatchObject({ type: 'STREAM_UNAVAILABLE' });
    stream.make('room', 'another-id', 1);
    await expect(book.epochOf('room', 'another-id')).rejects.toMatchObject({
      type: 'STREAM_IDENTITY_CHANGED',
    });
    await store.adoptEpoch((await stream.identity('room'))!);
    expect(await book.epochOf('room', 'another-id')).toBe(2);
    await expect(book.epochOf('room', 'id')).rejects.toMatchObject({ type: 'STREAM_UNAVAILABLE' });
  });

  it('asks once more when a question was on its way before the topic that is meant was there', async () => {
    const [stream, store] = [new Topics(), new Rows()];
    stream.make('room', 'id', 1);
    const book = new EpochBook({ stream, store });
    const earlier = book.epochOf('room');
    stream.make('room', 'another-id', 1);
    await expect(book.epochOf('room', 'another-id')).rejects.toMatchObject({
      type: 'STREAM_IDENTITY_CHANGED',
    });
    expect(await earlier).toBe(1);
  });

  it('asks again for what it was told to forget, also during a lookup', async () => {
    const [stream, store] = [new Topics(), new Rows()];
    stream.make('room', 'id', 1);
    const book = new EpochBook({ stream, store });
    const running = book.epochOf('room');
    book.forget('room');
    expect(await running).toBe(1);
    stream.make('room', 'another-id', 1);
    await expect(book.epochOf('room')).rejects.toMatchObject({ type: 'STREAM_IDENTITY_CHANGED' });
    await store.adoptEpoch((await stream.identity('room'))!);
    expect(await book.epochOf('room')).toBe(2);
  });
});
