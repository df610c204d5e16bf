import { afterEach } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../lib/clock.ts';
import { silentLogger } from '../../../lib/log.ts';
import { Persister } from '../../../lib/persister/persister.ts';
import { DEFAULT_LIMITS } from '../../../lib/protocol/limits.ts';
import { MemoryStore } from '../../../lib/store/memory.ts';
import type { PersistenceAdapter } from '../../../lib/store/port.ts';
import { createEmbeddedStream, type EmbeddedStream } from '../../../lib/stream/embedded.ts';
import { EpochBook, registerTopics } from '../../../lib/stream/epochs.ts';
import type { StreamRecord } from '../../../lib/stream/port.ts';
import { createTopicResolver } from '../../../lib/stream/topic-resolver.ts';
import { openInline } from '../../support/inline-log.ts';
import { waitFor } from '../../support/wait.ts';
import { document, isDecodable, updateRecord } from './records.ts';

/** The persister on the embedded log and a store in memory whose `storeBatch` can be made to fail. */
const cleanUps: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function openLog(): Promise<EmbeddedStream> {
  const folder = await mkdtemp(join(tmpdir(), 'y-kafka-persister-'));
  const stream = await createEmbeddedStream({
    openFile: openInline,
    file: join(folder, 'log.sqlite'),
    clock: systemClock,
    logger: silentLogger,
    maxRecordBytes: 1 << 20,
    bufferBytes: 1 << 24,
  });
  cleanUps.push(() => rm(folder, { recursive: true, force: true }));
  cleanUps.push(() => stream.close());
  return stream;
}

type StoreBatch = PersistenceAdapter['storeBatch'];

interface SetUpOptions {
  pattern?: string;
  wrap?: (storeBatch: StoreBatch) => StoreBatch;
  /** Which partitions the group has given to others. */
  isAway?: (partition: number) => boolean;
}

export async function setUp(options: SetUpOptions = {}) {
  const stream = await openLog();
  const store = new MemoryStore({ clock: systemClock });
  const topics = createTopicResolver({ pattern: options.pattern ?? 'yjs-{channel}', partitions: 2 });
  const known = await registerTopics({ stream, store, specs: topics.staticTopics });
  const epochs = new EpochBook({ stream, store, known });
  const target = topics.target('doc', document);
  const start = async (wrap = options.wrap ?? ((storeBatch: StoreBatch) => storeBatch)) => {
    const { isAway = () => false } = options;
    const persister = new Persister({
      stream: {
        listTopics: () => stream.listTopics(),
        endOffset: (at) => stream.endOffset(at),
        consume: async (request) => {
          const member = await stream.consume(request);
          return {
            stop: () => member.stop(),
            isAssigned: (at) => member.isAssigned(at) && !isAway(at.partition),
          };
        },
      },
      store: {
        storeBatch: wrap((batch) => store.storeBatch(batch)),
        nextOffset: (...place) => store.nextOffset(...place),
      },
      topics,
      epochs,
      group: 'test-persister',
      classifier: { limits: DEFAULT_LIMITS, isDecodable },
      clock: systemClock,
      logger: silentLogger,
    });
    cleanUps.push(() => persister.stop());
    await persister.start();
    return persister;
  };
  const append = (records: StreamRecord[]) => stream.append(target, records);
  const load = async () => {
    const epoch = await epochs.epochOf(target.topic);
    return store.load({ document, epoch, partition: target.partition });
  };
  const untilStored = (offset: number) =>
    waitFor(async () => (await load()).storedThrough >= offset, { what: `stored through ${offset}` });
  return { stream, store, topics, epochs, target, start, append, load, untilStored };
}

export const updates = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, n) => updateRecord({ version: from + n + 1 }));
