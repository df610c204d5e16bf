import { afterEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../lib/clock.ts';
import { AppError } from '../../../lib/errors.ts';
import { silentLogger } from '../../../lib/log.ts';
import { Persister } from '../../../lib/persister/persister.ts';
import { DEFAULT_LIMITS } from '../../../lib/protocol/limits.ts';
import { MemoryStore } from '../../../lib/store/memory.ts';
import { EpochBook, registerTopics } from '../../../lib/stream/epochs.ts';
import type { ConsumeRequest, TopicIdentity, TopicPartition } from '../../../lib/stream/port.ts';
import { createTopicResolver } from '../../../lib/stream/topic-resolver.ts';
import { waitFor } from '../../support/wait.ts';

const AT: TopicPartition = { topic: 'yjs-doc', partition: 0 };

let persister: Persister | undefined;
afterEach(() => persister?.stop());

/** A log whose doc topic can be made again, and whose group gives this member what is asked of it by hand. */
async function setUp() {
  const identity: TopicIdentity = { topic: AT.topic, topicId: 'old', clusterId: 'c', partitions: 1 };
  const members: ConsumeRequest[] = [];
  const stopped: ConsumeRequest[] = [];
  const store = new MemoryStore({ clock: systemClock });
  const topics = createTopicResolver({ pattern: 'yjs-{channel}', partitions: 1 });
  const stream = {
    ensureTopics: () => Promise.resolve(),
    identity: (topic: string) => Promise.resolve({ ...identity, topic }),
    listTopics: () => Promise.resolve([AT.topic]),
    endOffset: () => Promise.resolve(0),
    consume: (request: ConsumeRequest) => {
      members.push(request);
      return Promise.resolve({
        stop: async () => void stopped.push(request),
        isAssigned: () => true,
      });
    },
  };
  const known = await registerTopics({ stream, store, specs: topics.staticTopics });
  const epochs = new EpochBook({ stream, store, known });
  persister = new Persister({
    stream,
    store,
    topics,
    epochs,
    group: 'g',
    classifier: { limits: DEFAULT_LIMITS, isDecodable: () => true },
    clock: systemClock,
    logger: silentLogger,
  });
  await persister.start();
  const startOffset = (topicId: string) => members.at(-1)!.startOffset(AT, topicId);
  return { persister, identity, store, members, stopped, startOffset };
}

describe('a persister whose topic is made again while it runs', () => {
  it('stands still and says so, however fresh its knowledge is, and goes on when the new one is adopted', async () => {
    const { persister, identity, store, members, stopped, startOffset } = await setUp();
    expect(await startOffset('old')).toBe(0);
    expect(persister.status()).toMatchObject({ consuming: true, blocked: [] });

    identity.topicId = 'new';
    const data = { topic: AT.topic, was: 'old', is: 'new' };
    members[0]!.onError!(new AppError('STREAM_IDENTITY_CHANGED', { data }));
    members[0]!.onError!(new AppError('STREAM_IDENTITY_CHANGED', { data }));
    await waitFor(() => members.length === 2, { what: 'a new member' });
    expect(stopped).toEqual([members[0]]);
    await expect(startOffset('new')).rejects.toMatchObject({ type: 'STREAM_IDENTITY_CHANGED' });
    members[1]!.onError!(new AppError('STREAM_IDENTITY_CHANGED', { data: { topic: AT.topic } }));
    expect(persister.status().blocked).toEqual([AT]);
    expect(members).toHaveLength(2);

    await store.adoptEpoch({ ...identity });
    expect(await startOffset('new')).toBe(0);
    expect(persister.status()).toMatchObject({ consuming: true, blocked: [] });
  });
});
