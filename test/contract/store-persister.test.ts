import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { Persister } from '../../lib/persister/persister.ts';
import { DEFAULT_LIMITS } from '../../lib/protocol/limits.ts';
import { createPostgresStore } from '../../lib/store/postgres.ts';
import type { HistoryRow, PersistenceAdapter } from '../../lib/store/port.ts';
import { createEmbeddedStream, type EmbeddedStream } from '../../lib/stream/embedded.ts';
import { EpochBook, registerTopics } from '../../lib/stream/epochs.ts';
import { createTopicResolver } from '../../lib/stream/topic-resolver.ts';
import { fillDatabaseFolder } from '../support/database-folder.ts';
import { waitFor } from '../support/wait.ts';
import { document, isDecodable, updateRecord } from '../unit/persister/records.ts';
import { makeDatabase } from './store-database.ts';

/** The persister against what a real database refuses: what a store in memory only imitates. */

const folders: string[] = [];

async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'y-kafka-persister-'));
  folders.push(folder);
  return folder;
}

const parts = { logger: silentLogger, clock: systemClock };

const stores = {
  PostgreSQL: async () => {
    const database = await makeDatabase();
    const store = await createPostgresStore({ databaseUrl: database.url, ...parts });
    return {
      store,
      close: async () => {
        await store.close();
        await database.drop();
      },
    };
  },
  PGlite: async () => {
    const folder = await makeFolder();
    await fillDatabaseFolder(folder);
    const store = await createPostgresStore({ dataDir: join(folder, 'db'), ...parts });
    return { store, close: () => store.close() };
  },
};

const POISON = (n: number) => n % 11 === 5;
const range = (to: number) => Array.from({ length: to }, (_, n) => n);

describe.each(Object.entries(stores))('the persister on %s', (_name, open) => {
  let store: PersistenceAdapter;
  let close: () => Promise<void>;
  let stream: EmbeddedStream;
  let persister: Persister;
  const topics = createTopicResolver({ pattern: 'yjs-{channel}', partitions: 2 });
  const target = topics.target('doc', document);
  let epoch: number;

  const storedThrough = async () =>
    (await store.load({ document, epoch, partition: target.partition })).storedThrough;

  beforeAll(async () => {
    ({ store, close } = await open());
    await store.prepare();
    stream = await createEmbeddedStream({
      file: join(await makeFolder(), 'log.sqlite'),
      maxRecordBytes: 1 << 24,
      bufferBytes: 1 << 26,
      ...parts,
    });
    const known = await registerTopics({ stream, store, specs: topics.staticTopics });
    epoch = known.get(target.topic)!;
    persister = new Persister({
      stream,
      store,
      topics,
      epochs: new EpochBook({ stream, store, known }),
      group: 'persister',
      classifier: { limits: DEFAULT_LIMITS, isDecodable },
      ...parts,
    });
  });

  afterAll(async () => {
    await persister.stop();
    await stream.close();
    await close();
    await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true })));
  });

  it('stores 1,000 good records and quarantines the 100 that the database or Yjs cannot take', async () => {
    const poison = [
      { extra: { note: 'a\u0000b' } },
      { extra: { 'key\u0000': true } },
      { extra: { lone: '\ud800' } },
      { update: Uint8Array.of(9, 9, 9) },
    ];
    await stream.append(
      target,
      range(1100).map((n) => updateRecord({ version: n + 1, ...(POISON(n) ? poison[n % 4] : {}) })),
    );
    await persister.start();
    await waitFor(async () => (await storedThrough()) === 1099, { timeoutMs: 50_000 });
    const rows: HistoryRow[] = [];
    for await (const row of store.exportHistory(document)) rows.push(row);
    expect(rows.map((row) => row.offset)).toEqual(range(1100).filter((n) => !POISON(n)));
    expect(rows.every((row) => row.repeatOf === undefined)).toBe(true);
    expect(await store.countQuarantined()).toBe(100);
  });

  it('stores updates of megabytes, more than a transaction may hold', async () => {
    const large = new Uint8Array(3 << 20).fill(7);
    await stream.append(
      target,
      range(4).map((n) => updateRecord({ version: 2000 + n, extra: { big: n }, update: large })),
    );
    await waitFor(async () => (await storedThrough()) === 1103, { timeoutMs: 50_000 });
    // Bytes that are no Yjs update: all four are kept in quarantine, with the position behind them.
    expect(await store.countQuarantined()).toBe(104);
  });
});
