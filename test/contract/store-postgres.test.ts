import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { MikroORM } from '@mikro-orm/postgresql';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { ENTITIES } from '../../lib/store/entities.ts';
import { STORE_MIGRATIONS } from '../../lib/store/migrations/index.ts';
import { DEFAULT_STORE_LIMITS, type StoreLimits } from '../../lib/store/limits.ts';
import { openOrm } from '../../lib/store/postgres-orm.ts';
import { createPostgresStore } from '../../lib/store/postgres.ts';
import type { PersistenceAdapter } from '../../lib/store/port.ts';
import { makeDatabase, type TestDatabase } from './store-database.ts';
import { Bench, storeChecks } from './store.suite.ts';
import { waitFor } from '../support/wait.ts';

describe('store on PostgreSQL', () => {
  let database: TestDatabase;
  let store: PersistenceAdapter;
  const open = (poolSize = 4, limits: Partial<StoreLimits> = {}) =>
    createPostgresStore({
      databaseUrl: database.url,
      poolSize,
      limits: { ...DEFAULT_STORE_LIMITS, ...limits },
      logger: silentLogger,
      clock: systemClock,
    });

  beforeAll(async () => {
    database = await makeDatabase();
    store = await open();
    await store.prepare();
  });

  afterAll(async () => {
    await store.close();
    await database.drop();
  });

  it.each(Object.entries(storeChecks))('%s', async (_name, check) => {
    await check(store);
  });

  it('runs all checks at once on a pool of one', async () => {
    // The last one waits for all others, on whatever machine; and a slow one is no zombie.
    const single = await open(1, { connectTimeoutMs: 300_000, idleInTransactionMs: 60_000 });
    await Promise.all(Object.values(storeChecks).map((check) => check(single)));
    await single.close();
  });

  it('migrates an empty database once, whoever else does at the same time', async () => {
    const fresh = await makeDatabase();
    const stores = await Promise.all(
      [1, 2, 3, 4].map(() =>
        createPostgresStore({ databaseUrl: fresh.url, logger: silentLogger, clock: systemClock }),
      ),
    );
    await Promise.all(stores.map((each) => each.prepare()));
    await Promise.all(stores.map((each) => each.close()));
    expect(await fresh.run('select name from mikro_orm_migrations order by id')).toEqual(
      STORE_MIGRATIONS.map(({ name }) => ({ name })),
    );
    await fresh.drop();
  });

  it('has after the migrations exactly the schema of the entities', async () => {
    const orm = await MikroORM.init({
      clientUrl: database.url,
      entities: ENTITIES,
      schemaGenerator: { skipTables: ['mikro_orm_migrations'] },
    });
    expect(await orm.schema.getUpdateSchemaSQL({ wrap: false })).toBe('');
    await orm.close(true);
  });

  it('sets its time limits on every connection', async () => {
    const orm = await openOrm({ databaseUrl: database.url, logger: silentLogger, clock: systemClock });
    const names = ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout'];
    const columns = names.map((name) => `current_setting('${name}') as ${name}`).join(', ');
    const [row] = await orm.em.getConnection().execute(`select ${columns}`);
    expect(row).toEqual({
      statement_timeout: '15s',
      lock_timeout: '5s',
      idle_in_transaction_session_timeout: '3s',
    });
    await orm.close(true);
  });

  it('the database itself refuses a second payload of one retry key', async () => {
    const bench = await Bench.make(store);
    await bench.put(0, [bench.update(0)]);
    const copy = database.run(
      `insert into update_history (epoch, partition, "offset", document_id, generation, sender_id, client_version, at, metadata, payload)
       select epoch, partition, 99, document_id, generation, sender_id, client_version, at, metadata, payload
       from update_history where epoch = ${bench.epoch}`,
    );
    await expect(copy).rejects.toMatchObject({ code: '23505' });
  });

  it('a batch whose position is locked by a hanging process fails as unavailable, and goes through later', async () => {
    const bench = await Bench.make(store);
    await bench.put(0, [bench.update(0)]);
    const orm = await MikroORM.init({
      clientUrl: database.url,
      entities: ENTITIES,
      pool: { min: 0, max: 1 },
    });
    const connection = orm.em.getConnection();
    const trx = await connection.begin();
    await connection.execute(
      `select 1 from stream_positions where epoch = ${bench.epoch} for update`,
      [],
      'all',
      trx,
    );
    const impatient = await open(1, { lockTimeoutMs: 300 });
    const waiting = impatient.storeBatch(bench.batch(1, [bench.update(1)]));
    await expect(waiting).rejects.toMatchObject({ type: 'STORE_UNAVAILABLE', data: { sqlState: '55P03' } });
    await connection.rollback(trx);
    await orm.close(true);
    await impatient.close();
    await bench.put(1, [bench.update(1)]);
  });

  it('a killed session is an outage, not bad data, and gives its connection back', async () => {
    const single = await open(1);
    const bench = await Bench.make(single);
    let outages = 0;
    let isDone = false;
    const killing = (async () => {
      while (!isDone) {
        await database.run(
          `select pg_terminate_backend(pid) from pg_stat_activity
           where datname = current_database() and application_name = 'y-kafka'`,
        );
      }
    })();
    for (let n = 0; n < 2000 && outages < 5;) {
      try {
        const result = await single.storeBatch(bench.batch(n, [bench.update(n)]));
        n = result.nextOffset;
      } catch (error) {
        expect(error).toMatchObject({ type: 'STORE_UNAVAILABLE' });
        outages++;
      }
    }
    isDone = true;
    await killing;
    expect(outages).toBeGreaterThan(0);
    // The last of the kills may be told with the next use of the connection.
    const { document, epoch, partition } = bench;
    const state = await waitFor(() => single.load({ document, epoch, partition }));
    expect(state.updates.length).toBe(state.storedThrough + 1);
    await single.close();
  });

  it('an unreachable server is unavailable, and does not answer a ping', async () => {
    const nowhere = await createPostgresStore({
      databaseUrl: 'postgresql://postgres@127.0.0.1:1/none',
      logger: silentLogger,
      clock: systemClock,
    });
    await expect(nowhere.prepare()).rejects.toMatchObject({ type: 'STORE_UNAVAILABLE' });
    expect(await nowhere.ping(500)).toBe(false);
    await nowhere.close();
  });
});
