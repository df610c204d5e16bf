import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { loadState } from '../../lib/store/postgres-reads.ts';
import { openOrm } from '../../lib/store/postgres-orm.ts';
import { createPostgresStore } from '../../lib/store/postgres.ts';
import { findFirsts } from '../../lib/store/postgres-batch.ts';
import { lockDocuments } from '../../lib/store/postgres-documents.ts';
import { SqlClient, type Row, type Sql } from '../../lib/store/sql.ts';
import type { PersistenceAdapter } from '../../lib/store/port.ts';
import { makeDatabase, type TestDatabase } from './store-database.ts';
import { Bench } from './store.suite.ts';

const ROWS = 20_000;
const BATCH = 100;
/** Of 8 kB. One lookup walks an index of two levels or three; a document of 20,000 rows has some 400 pages. */
const MAX_BUFFERS_PER_KEY = 12;

interface Plan {
  'Shared Hit Blocks': number;
  'Shared Read Blocks': number;
}

let database: TestDatabase;
let store: PersistenceAdapter;

beforeAll(async () => {
  database = await makeDatabase();
  const parts = { logger: silentLogger, clock: systemClock };
  store = await createPostgresStore({ databaseUrl: database.url, ...parts });
  await store.prepare();
  await database.run('alter table update_history set (autovacuum_enabled = off)');
});

afterAll(async () => {
  await store.close();
  await database.drop();
});

/** Pages that the statements about rows read; they are explained instead of answered. */
async function buffersOf(work: (sql: Sql) => Promise<unknown>): Promise<number> {
  const orm = await openOrm({ databaseUrl: database.url, logger: silentLogger, clock: systemClock });
  let read = 0;
  await new SqlClient(orm).transaction(async (sql) => {
    const explaining: Sql = async <T = Row>(text: string, params?: readonly unknown[]) => {
      if (!text.includes('update_history')) return sql<T>(text, params);
      const [row] = await sql<{ 'QUERY PLAN': { Plan: Plan }[] }>(
        `explain (analyze, buffers, format json) ${text}`,
        params,
      );
      const { Plan: plan } = row!['QUERY PLAN'][0]!;
      read += plan['Shared Hit Blocks'] + plan['Shared Read Blocks'];
      return [] as T[];
    };
    await work(explaining);
  });
  await orm.close(true);
  return read;
}

describe('looking up retry keys', () => {
  async function beginLong(): Promise<Bench> {
    const bench = await Bench.make(store);
    await bench.put(0, [bench.update(0)]);
    return bench;
  }

  /** Half of them by one sender. */
  async function writeLong(bench: Bench, rows: number): Promise<void> {
    await database.run(
      `insert into update_history (epoch, partition, "offset", document_id, generation, sender_id, client_version, at, metadata, payload)
       select epoch, partition, n, document_id, generation, case when n % 2 = 0 then 'sender' else 'other-' || n end,
         n, at, '{}'::jsonb, payload
       from update_history, generate_series(2, ${rows}) n where epoch = ${bench.epoch} and "offset" = 0`,
    );
  }

  /** Of a batch in which every second record is a repeat. */
  async function buffersOfLookup(bench: Bench): Promise<number> {
    return buffersOf(async (sql) => {
      const documents = await lockDocuments(sql, [bench.document]);
      const records = Array.from({ length: BATCH }, (_, n) =>
        bench.update(ROWS + n, { clientVersion: n % 2 === 0 ? 2 * n + 2 : 1_000_000 + n }),
      );
      await findFirsts(sql, bench.batch(ROWS, records), documents);
    });
  }

  it('reads as little in a document of 20,000 rows by one sender or many as in an empty one, without statistics', async () => {
    // As PGlite always and PostgreSQL for the first minutes of a busy table.
    const bench = await beginLong();
    await writeLong(bench, ROWS);
    const buffers = await buffersOfLookup(bench);
    expect(buffers).toBeGreaterThan(BATCH);
    expect(buffers).toBeLessThan(BATCH * MAX_BUFFERS_PER_KEY);
  });

  it('and in a document that has grown long since statistics found all of them short', async () => {
    await database.run('truncate update_history');
    const bench = await beginLong();
    await database.run(
      `insert into update_history (epoch, partition, "offset", document_id, generation, sender_id, client_version, at, metadata, payload)
       select epoch, partition, ${ROWS} + n, 1000000 + n, generation, 'short-' || n, 1, at, '{}'::jsonb, payload
       from update_history, generate_series(1, ${2 * ROWS}) n`,
    );
    await database.run('analyze update_history');
    await writeLong(bench, ROWS / 8);
    const buffers = await buffersOfLookup(bench);
    expect(buffers).toBeGreaterThan(BATCH);
    expect(buffers).toBeLessThan(BATCH * MAX_BUFFERS_PER_KEY);
  });
});

describe('loading a document', () => {
  it.each([
    ['without statistics', false],
    ['with them', true],
  ])('reads the tail alone, however long the document is, %s', async (_name, hasStatistics) => {
    await database.run('truncate update_history');
    const bench = await Bench.make(store);
    await bench.put(0, [bench.update(0)]);
    await database.run(
      `insert into update_history (epoch, partition, "offset", document_id, generation, sender_id, client_version, at, metadata, payload)
       select epoch, partition, n, document_id, generation, 'sender', n + 1, at, '{}'::jsonb, payload
       from update_history, generate_series(1, ${ROWS}) n`,
    );
    if (hasStatistics) await database.run('analyze update_history');
    const { document, epoch, partition } = bench;
    const request = { document, epoch, partition };
    const tail = await buffersOf((sql) => loadState(sql, { ...request, sinceOffset: ROWS - 20 }));
    expect(tail).toBeGreaterThan(0);
    expect(tail).toBeLessThan(100);
    const page = await buffersOf((sql) => loadState(sql, request));
    expect(page).toBeGreaterThan(tail);
    expect(page).toBeLessThan(2_500);
  });
});
