import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import kafkajs from 'kafkajs';
import pg from 'pg';
import { startPostgres } from '../../scripts/dev/postgres.ts';
import { createRuntime, type OpenRuntime } from '../../lib/broker/open-runtime.ts';
import { systemClock } from '../../lib/clock.ts';
import { loadConfig, type Config } from '../../lib/config.ts';
import { silentLogger } from '../../lib/log.ts';
import { noMetrics } from '../../lib/metrics.ts';
import { assemblePersister, type AssembledPersister } from '../../lib/persister/assemble.ts';
import { resumePartition } from '../../lib/persister/resume.ts';
import type { PersistenceAdapter } from '../../lib/store/port.ts';
import type { StreamRecord } from '../../lib/stream/port.ts';
import { createDatabase, startTestCluster } from '../support/cluster.ts';
import { waitFor } from '../support/wait.ts';
import { updateRecord } from '../unit/persister/records.ts';

// Real logs and databases that are killed; every wait inside has a deadline of its own.
jest.setTimeout(900_000);

const document = { tenantId: 'default', roomId: 'room', docId: 'doc' };
const range = (to: number) => Array.from({ length: to }, (_, n) => n);
const records = (from: number, to: number) =>
  range(to - from).map((n) => updateRecord({ of: document, version: from + n + 1 }));
const cleanUps: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

interface Bench extends AssembledPersister {
  runtime: OpenRuntime;
  topic: string;
  append(records: readonly StreamRecord[]): Promise<number[]>;
  offsets(): Promise<number[]>;
}

/** A persister in this process on the run's Kafka, or on the embedded log; not started yet. */
async function assemble(settings: Partial<Config>): Promise<Bench> {
  const config = loadConfig({}, { partitions: 1, logLevel: 'error', storeDelayMs: 0, ...settings });
  const runtime = createRuntime({
    config,
    logger: silentLogger,
    nodeId: `test-${randomBytes(4).toString('hex')}`,
  });
  cleanUps.push(() => runtime.close());
  const [stream, store] = [await runtime.stream(), await runtime.store()];
  const parts = await assemblePersister({
    config,
    stream,
    store,
    topics: runtime.topics,
    folder: { fold: () => Promise.resolve(undefined) },
    clock: systemClock,
    logger: silentLogger,
    metrics: noMetrics,
  });
  cleanUps.push(() => parts.persister.stop());
  const target = runtime.topics.target('doc', document);
  return {
    ...parts,
    runtime,
    topic: target.topic,
    append: (appended) => stream.append(target, appended),
    offsets: () => offsetsOf(store),
  };
}

async function offsetsOf(store: PersistenceAdapter): Promise<number[]> {
  const found: number[] = [];
  for await (const row of store.exportHistory(document)) found.push(row.offset);
  return found;
}

function onKafka(databaseUrl: string): Partial<Config> {
  const id = randomBytes(4).toString('hex');
  const kafkaBrokers = process.env.KAFKA_BROKERS!.split(',');
  return {
    mode: 'cluster',
    kafkaBrokers,
    databaseUrl,
    namespace: `f${id}`,
    topicPattern: `f${id}-{channel}`,
  };
}

async function embedded(): Promise<Partial<Config>> {
  const dataDir = await mkdtemp(join(tmpdir(), 'y-kafka-poison-'));
  cleanUps.push(() => rm(dataDir, { recursive: true, force: true }));
  return { mode: 'embedded', dataDir };
}

async function withAdmin<T>(work: (admin: kafkajs.Admin) => Promise<T>): Promise<T> {
  const brokers = process.env.KAFKA_BROKERS!.split(',');
  const admin = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}

const POISON: ((version: number) => StreamRecord)[] = [
  (version) => updateRecord({ of: document, version, extra: { note: 'a\u0000b' } }),
  (version) => updateRecord({ of: document, version, update: Uint8Array.of(9, 9, 9) }),
  (version) => ({ ...updateRecord({ of: document, version }), value: Uint8Array.of(1, 2, 3) }),
  (version) => ({ ...updateRecord({ of: document, version }), key: 'nobody' }),
];

describe('100 poison records among 10,000 good ones', () => {
  it.each([
    ['Kafka and PostgreSQL', async () => onKafka(await createDatabase('poison'))],
    ['the embedded log and PGlite', embedded],
  ])('10,000 are stored on %s, and the others lie in quarantine', async (_name, settings) => {
    const bench = await assemble(await settings());
    const all = range(10_100).map((n) =>
      n % 101 === 50 ? POISON[n % POISON.length]!(n + 1) : updateRecord({ of: document, version: n + 1 }),
    );
    for (let n = 0; n < all.length; n += 1_000) await bench.append(all.slice(n, n + 1_000));
    // A group that was never there reads from the beginning.
    await bench.persister.start();
    await waitFor(async () => (await bench.persister.positions())[0]?.lag === 0, { timeoutMs: 600_000 });
    expect(await bench.offsets()).toEqual(range(10_100).filter((n) => n % 101 !== 50));
    const store = await bench.runtime.store();
    expect(await store.countQuarantined()).toBe(100);
    const { records: listed } = await bench.quarantine.list({ limit: 1_000 });
    expect(listed.map(({ offset }) => offset)).toEqual(range(10_100).filter((n) => n % 101 === 50));
    expect(new Set(listed.map(({ reason }) => reason)).size).toBe(4);
  });
});

describe('a persister on Kafka', () => {
  it('stands still where records were deleted, and goes on only when exactly this loss is accepted', async () => {
    const settings = onKafka(await createDatabase('loss'));
    const bench = await assemble(settings);
    await bench.append(records(0, 10));
    await withAdmin(async (admin) => {
      await admin.fetchTopicOffsets(bench.topic); // its metadata are then known
      await admin.deleteTopicRecords({ topic: bench.topic, partitions: [{ partition: 0, offset: '4' }] });
    });
    await bench.persister.start();
    const blocked = await waitFor(() => bench.persister.status().blocked[0], { timeoutMs: 120_000 });
    expect(blocked).toMatchObject({ topic: bench.topic, partition: 0, offset: 0 });
    await bench.append(records(10, 12));
    expect(await bench.offsets()).toEqual([]);
    const parts = {
      store: await bench.runtime.store(),
      stream: await bench.runtime.stream(),
      epochs: bench.epochs,
      logger: silentLogger,
    };
    const place = { topic: bench.topic, epoch: blocked.epoch!, partition: 0, offset: 0 };
    expect(await resumePartition(parts, { ...place, offset: 1 })).toMatchObject({ resumed: false });
    expect(await resumePartition(parts, place)).toEqual({ resumed: true, nextOffset: 4, lost: 4 });
    await waitFor(async () => (await bench.offsets()).length === 8, { timeoutMs: 120_000 });
    expect(await bench.offsets()).toEqual([4, 5, 6, 7, 8, 9, 10, 11]);
    expect(bench.persister.status().blocked).toEqual([]);
    expect(await (await bench.runtime.stream()).retention!(bench.topic)).toMatchObject({
      retentionMs: 168 * 3_600_000,
    });
  });

  it('refuses a topic that was made again, until it is adopted', async () => {
    const settings = onKafka(await createDatabase('again'));
    const bench = await assemble(settings);
    await bench.append(records(0, 3));
    await bench.persister.start();
    await waitFor(async () => (await bench.offsets()).length === 3, { timeoutMs: 120_000 });
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
    await withAdmin(async (admin) => {
      await admin.deleteTopics({ topics: [bench.topic] });
      await waitFor(async () => !(await admin.listTopics()).includes(bench.topic));
    });
    await expect(assemble(settings)).rejects.toMatchObject({
      type: 'STREAM_IDENTITY_CHANGED',
      message: expect.stringContaining(`YKAFKA_ADOPT_TOPICS=${bench.topic}:`),
    });
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
    const adopted = await assemble({ ...settings, adoptTopics: [bench.topic] });
    await adopted.append(records(3, 5));
    await adopted.persister.start();
    await waitFor(async () => (await adopted.offsets()).length === 5, { timeoutMs: 120_000 });
    expect(await adopted.offsets()).toEqual([0, 1, 2, 0, 1]);
  });

  it('waits while PostgreSQL is killed and away, and goes on by itself; appends never wait', async () => {
    const postgres = await startPostgres();
    cleanUps.push(() => postgres.stop());
    const bench = await assemble(onKafka(postgres.url));
    await bench.persister.start();
    await bench.append(records(0, 20));
    await waitFor(async () => (await bench.offsets()).length === 20, { timeoutMs: 120_000 });
    let appended = 20;
    for (let n = 0; n < 2; n++) {
      await postgres.kill('SIGKILL');
      for (let m = 0; m < 10; m++, appended += 10) await bench.append(records(appended, appended + 10));
      await waitFor(() => bench.persister.status().storeOut, { timeoutMs: 120_000 });
      await postgres.restart();
      await waitFor(async () => (await bench.offsets().catch(() => [])).length === appended, {
        timeoutMs: 120_000,
      });
      // Rows are there for all a moment before the persister hears that they are.
      await waitFor(() => !bench.persister.status().storeOut, { what: 'the persister has its store again' });
    }
    expect(await bench.offsets()).toEqual(range(appended));
  });
});

describe('a persister process that is frozen between INSERT and COMMIT', () => {
  it('neither blocks the one that takes over nor writes under it, and works again afterwards', async () => {
    const databaseUrl = await createDatabase('zombie');
    const cluster = await startTestCluster({
      databaseUrl,
      gatewayPorts: [],
      replicas: { persister: 2 },
      env: { YKAFKA_STORE_DELAY_MS: '0', PARTITIONS: '1' },
    });
    cleanUps.push(() => cluster.stop());
    await cluster.processes.get('persister-2')!.end('SIGKILL');
    const topicPattern = (await topicOf(databaseUrl))!.replace(/doc$/, '{channel}');
    const kafkaBrokers = process.env.KAFKA_BROKERS!.split(',');
    const config = loadConfig(
      {},
      { mode: 'cluster', kafkaBrokers, databaseUrl, topicPattern, partitions: 1 },
    );
    const runtime = createRuntime({ config, logger: silentLogger, nodeId: 'writer' });
    cleanUps.push(() => runtime.close());
    const [stream, store] = [await runtime.stream(), await runtime.store()];
    const target = runtime.topics.target('doc', document);
    await stream.append(target, records(0, 5));
    await waitFor(async () => (await offsetsOf(store)).length === 5, { timeoutMs: 120_000 });

    // A gate in the database: whoever moves the position waits there, with its rows inserted.
    const gate = new pg.Client({ connectionString: databaseUrl });
    await gate.connect();
    cleanUps.push(() => gate.end());
    await gate.query(`
      create function wait_at_gate() returns trigger language plpgsql as $$ begin
        perform pg_advisory_lock_shared(4711); perform pg_advisory_unlock_shared(4711); return new; end $$;
      create trigger gate before update on stream_positions for each row execute function wait_at_gate()`);
    await gate.query('select pg_advisory_lock(4711)');
    await stream.append(target, records(5, 10));
    await waitFor(
      async () => {
        const waiting = await gate.query(
          `select 1 from pg_stat_activity
           where datname = current_database() and wait_event_type = 'Lock' and wait_event = 'advisory'`,
        );
        return waiting.rows.length > 0;
      },
      { timeoutMs: 60_000, what: 'a persister waits at the gate' },
    );
    const zombie = cluster.processes.get('persister-1')!;
    process.kill(zombie.pid!, 'SIGSTOP');
    cleanUps.push(async () => void process.kill(zombie.pid!, 'SIGCONT'));
    await gate.query('select pg_advisory_unlock(4711)');
    // Its statement has ended; its transaction is open and holds the position.
    await waitFor(
      async () => {
        const idle = await gate.query(
          `select 1 from pg_stat_activity where datname = current_database() and state = 'idle in transaction'`,
        );
        return idle.rows.length > 0;
      },
      { timeoutMs: 60_000, what: 'the transaction of the frozen one is open' },
    );
    await stream.append(target, records(10, 15));
    await cluster.restart('persister-2');
    await waitFor(async () => (await offsetsOf(store)).length === 15, { timeoutMs: 180_000 });
    process.kill(zombie.pid!, 'SIGCONT');
    await stream.append(target, records(15, 20));
    await waitFor(async () => (await offsetsOf(store)).length === 20, { timeoutMs: 120_000 });
    expect(await offsetsOf(store)).toEqual(range(20));
    const doubled = await gate.query('select 1 from update_history where repeat_of is not null');
    expect(doubled.rows).toEqual([]);
    await cluster.processes.get('persister-2')!.end('SIGKILL');
    await stream.append(target, records(20, 25));
    await waitFor(async () => (await offsetsOf(store)).length === 25, { timeoutMs: 180_000 });
  });
});

async function topicOf(databaseUrl: string): Promise<string | undefined> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query(`select name from stream_topics where name like '%-doc'`);
    return (rows as { name: string }[])[0]?.name;
  } finally {
    await client.end();
  }
}
