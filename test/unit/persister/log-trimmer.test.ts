import { afterEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../lib/clock.ts';
import { createInlineCodec } from '../../../lib/codec/inline.ts';
import { AppError } from '../../../lib/errors.ts';
import { silentLogger } from '../../../lib/log.ts';
import { LogTrimmer } from '../../../lib/persister/log-trimmer.ts';
import { Persister } from '../../../lib/persister/persister.ts';
import { DEFAULT_LIMITS } from '../../../lib/protocol/limits.ts';
import { MemoryStore } from '../../../lib/store/memory.ts';
import { createEmbeddedStream } from '../../../lib/stream/embedded.ts';
import { openInline } from '../../support/inline-log.ts';
import { EpochBook, registerTopics } from '../../../lib/stream/epochs.ts';
import { createTopicResolver } from '../../../lib/stream/topic-resolver.ts';
import { createSyncSource } from '../../../lib/sync/join.ts';
import type { SyncRequest } from '../../../lib/sync/port.ts';
import { SYNC_LIMITS } from '../../support/sync-world.ts';
import { waitFor } from '../../support/wait.ts';
import { textOf, Writer } from '../../support/writer.ts';
import { document, isDecodable, updateRecord } from './records.ts';

const KEEP = 10;
const cleanUps: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** The embedded log of a folder with a persister and a trimmer over it, as one process has them. */
async function openProcess(folder: string, store: MemoryStore) {
  const stream = await createEmbeddedStream({
    openFile: openInline,
    file: join(folder, 'log.sqlite'),
    clock: systemClock,
    logger: silentLogger,
    maxRecordBytes: 1 << 20,
    bufferBytes: 1 << 24,
  });
  const topics = createTopicResolver({ pattern: 'yjs-{channel}', partitions: 2 });
  const known = await registerTopics({ stream, store, specs: topics.staticTopics });
  const epochs = new EpochBook({ stream, store, known });
  const state = { isStoreOut: false };
  const reach = <T>(work: () => Promise<T>): Promise<T> =>
    state.isStoreOut ? Promise.reject(new AppError('STORE_UNAVAILABLE')) : work();
  const persister = new Persister({
    stream,
    store: {
      storeBatch: (batch) => reach(() => store.storeBatch(batch)),
      nextOffset: (...place) => reach(() => store.nextOffset(...place)),
    },
    topics,
    epochs,
    group: 'test',
    classifier: { limits: DEFAULT_LIMITS, isDecodable },
    clock: systemClock,
    logger: silentLogger,
  });
  const trimmer = new LogTrimmer({
    stream,
    stored: () => persister.positions(),
    controlTopic: topics.controlTopic,
    keepRecords: KEEP,
    sweepMs: 20,
    clock: systemClock,
    logger: silentLogger,
  });
  await persister.start();
  trimmer.start();
  const target = topics.target('doc', document);
  const stop = async () => {
    state.isStoreOut = false;
    await trimmer.stop();
    await persister.stop();
    await stream.close();
  };
  cleanUps.push(stop);
  const source = createSyncSource({
    stream,
    store,
    topics,
    epochs,
    codec: createInlineCodec(),
    clock: systemClock,
    limits: SYNC_LIMITS,
  });
  return {
    stream,
    topics,
    trimmer,
    state,
    stop,
    append: (updates: Uint8Array[], version: number) =>
      stream.append(
        target,
        updates.map((update, index) => updateRecord({ version: version + index, update })),
      ),
    startOffset: () => stream.startOffset(target),
    endOffset: () => stream.endOffset(target),
    /** As of a gateway whose follow begins now. */
    join: async (request: Partial<SyncRequest> = {}) => {
      const heldAfter = (await stream.endOffset(target)) - 1;
      return source.join({ document, senderId: 'sender', heldAfter, ...request });
    },
  };
}

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'y-kafka-trim-'));
  cleanUps.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const letters = (count: number) =>
  Array.from({ length: count }, (_, at) => String.fromCharCode(97 + (at % 26)));

describe('the trimmed log', () => {
  it('keeps the tail only; a join, a resume from an old position and a restart still have everything', async () => {
    const [folder, store] = [await newFolder(), new MemoryStore({ clock: systemClock })];
    const writer = new Writer(1);
    const first = await openProcess(folder, store);
    await first.append(writer.type(...letters(5)), 1);
    const old = await first.join();
    await first.append(writer.type(...letters(200)), 6);
    await waitFor(async () => (await first.startOffset()) >= 205 - 2 * KEEP, { what: 'the log is trimmed' });
    expect(await first.startOffset()).toBeLessThanOrEqual((await first.endOffset()) - KEEP);

    const resumed = await first.join({ position: old.position });
    expect(textOf(old.update, resumed.update)).toBe(writer.text);
    expect(resumed.appended).toEqual(resumed.kind === 'delta' ? [[6, 205]] : [[1, 205]]);
    await first.stop();

    const second = await openProcess(folder, store);
    expect(await second.startOffset()).toBeGreaterThanOrEqual(205 - 2 * KEEP);
    const joined = await second.join();
    expect(textOf(joined.update)).toBe(writer.text);
    expect(joined.appended).toEqual([[1, 205]]);
    const again = await second.join({ position: old.position });
    expect(textOf(old.update, again.update)).toBe(writer.text);
    const [offset] = await second.append(writer.type('z'), 206);
    expect(offset).toBeGreaterThanOrEqual(205);
    expect(textOf((await second.join()).update)).toBe(writer.text);
  });

  it('keeps everything while the store is away, and what is not stored at any time', async () => {
    const process = await openProcess(await newFolder(), new MemoryStore({ clock: systemClock }));
    const writer = new Writer(1);
    await process.append(writer.type('a'), 1);
    await waitFor(async () => (await process.join()).position.offset === 0, { what: 'the first is joined' });
    process.state.isStoreOut = true;
    await process.append(writer.type(...letters(100)), 2);
    for (let sweep = 0; sweep < 3; sweep++) await process.trimmer.sweep();
    expect(await process.startOffset()).toBe(0);
    process.state.isStoreOut = false;
    await waitFor(async () => (await process.startOffset()) > 0, { what: 'trimmed when all is stored' });
    expect(textOf((await process.join()).update)).toBe(writer.text);
  });

  it('bounds the topic of commands, which nobody stores', async () => {
    const { stream, topics, trimmer } = await openProcess(
      await newFolder(),
      new MemoryStore({ clock: systemClock }),
    );
    const control = { topic: topics.controlTopic, partition: 0 };
    const command = { key: 'c', value: Uint8Array.of(1), headers: {} };
    await stream.append(
      control,
      Array.from({ length: 100 }, () => command),
    );
    await trimmer.sweep();
    expect(await stream.startOffset(control)).toBe(100 - KEEP);
  });
});
