import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { withCircuit } from '../../lib/store/circuit.ts';
import { DEFAULT_STORE_LIMITS } from '../../lib/store/limits.ts';
import { openOrm, type PostgresStoreOptions } from '../../lib/store/postgres-orm.ts';
import { createPostgresStore } from '../../lib/store/postgres.ts';
import { writeBatch } from '../../lib/store/postgres-batch.ts';
import { SqlClient } from '../../lib/store/sql.ts';
import { Stopwatch } from '../support/stopwatch.ts';
import { startSwallowingProxy } from '../support/swallowing-proxy.ts';
import { waitFor } from '../support/wait.ts';
import { makeDatabase, type TestDatabase } from './store-database.ts';
import { Bench, offsets } from './store.suite.ts';

const parts = { logger: silentLogger, clock: systemClock };
const limits = { ...DEFAULT_STORE_LIMITS, statementTimeoutMs: 2_000, connectTimeoutMs: 2_000 };

/** What a real PostgreSQL does to processes that hang, and what a store does when PostgreSQL hangs. */
describe('a store on PostgreSQL in trouble', () => {
  let database: TestDatabase;
  const open = (options: Partial<PostgresStoreOptions> = {}) =>
    createPostgresStore({ databaseUrl: database.url, limits, ...parts, ...options });

  beforeAll(async () => {
    database = await makeDatabase();
    const store = await open();
    await store.prepare();
    await store.close();
  });

  afterAll(() => database.drop());

  it('a zombie between INSERT and COMMIT neither blocks the new owner nor writes under it', async () => {
    const store = await open({ limits: DEFAULT_STORE_LIMITS });
    const bench = await Bench.make(store);
    await bench.put(0, [bench.update(0)]);
    const orm = await openOrm({ databaseUrl: database.url, ...parts });
    let goOn = (): void => undefined;
    const frozen = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    let hasWritten = (): void => undefined;
    const written = new Promise<void>((resolve) => {
      hasWritten = resolve;
    });
    const zombie = new SqlClient(orm).transaction(async (sql) => {
      await writeBatch(sql, bench.batch(1, [bench.update(1, { senderId: 'zombie' })]));
      // From here on only: before, a slow machine is no zombie.
      await sql('set local idle_in_transaction_session_timeout = 400');
      hasWritten();
      await frozen; // holds the position row, as a process that was stopped there
    });
    zombie.catch(() => undefined); // looked at below
    await written;
    await bench.put(1, [bench.update(1, { senderId: 'owner' }), bench.update(2)]);
    goOn();
    await expect(zombie).rejects.toMatchObject({ type: 'STORE_UNAVAILABLE' });
    const rows = await bench.history();
    expect(rows.map((row) => [row.offset, row.senderId])).toEqual([
      [0, 'sender'],
      [1, 'owner'],
      [2, 'sender'],
    ]);
    // Tried again by the zombie, as after any outage: it learns that the position has moved.
    const again = await store.storeBatch(bench.batch(1, [bench.update(1, { senderId: 'zombie' })]));
    expect(again).toMatchObject({ outcome: 'moved', nextOffset: 3 });
    await orm.close(true);
    await store.close();
  });

  it('a connection that swallows everything fails in time, and the next one works', async () => {
    const url = new URL(database.url);
    const proxy = await startSwallowingProxy(Number(url.port));
    url.port = String(proxy.port);
    const inner = await open({ databaseUrl: url.href, poolSize: 2 });
    const store = withCircuit({ store: inner, ...parts });
    const bench = await Bench.make(store);
    await bench.put(0, [bench.update(0)]);
    proxy.swallow();
    const hanging = [store.storeBatch(bench.batch(1, [bench.update(1)])), bench.load(), bench.load()];
    const ends = await Promise.allSettled(hanging);
    for (const end of ends)
      expect(end).toMatchObject({ status: 'rejected', reason: { type: 'STORE_UNAVAILABLE' } });
    // Three without an answer: from now on nobody waits.
    const took = new Stopwatch();
    await expect(bench.load()).rejects.toMatchObject({ type: 'STORE_UNAVAILABLE' });
    expect(took.stop()).toBeLessThan(limits.statementTimeoutMs);
    expect(await store.ping(200)).toBe(false);
    proxy.heal();
    await waitFor(() => bench.put(1, [bench.update(1)]).catch(() => undefined), { timeoutMs: 60_000 });
    expect(offsets((await bench.load()).updates)).toEqual([0, 1]);
    await store.close();
    await proxy.close();
  });

  it('a statement that takes too long is given up by the server, and does not count as an outage', async () => {
    const inner = await open();
    const bench = await Bench.make(inner);
    const orm = await openOrm({ databaseUrl: database.url, limits, ...parts });
    const slow = new SqlClient(orm).query('select pg_sleep(30)');
    await expect(slow).rejects.toMatchObject({ type: 'STORE_UNAVAILABLE', data: { sqlState: '57014' } });
    await orm.close(true);
    expect((await bench.load()).storedThrough).toBe(-1);
    await inner.close();
  });
});
