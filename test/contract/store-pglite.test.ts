import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { startPglite } from '../../lib/store/pglite.ts';
import { openOrm } from '../../lib/store/postgres-orm.ts';
import { createPostgresStore } from '../../lib/store/postgres.ts';
import { SqlClient } from '../../lib/store/sql.ts';
import type { PersistenceAdapter } from '../../lib/store/port.ts';
import { Bench, storeChecks } from './store.suite.ts';

describe('store on PGlite', () => {
  let dataDir: string;
  let store: PersistenceAdapter;
  const open = () => createPostgresStore({ dataDir, logger: silentLogger, clock: systemClock });

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'y-kafka-pglite-'));
    store = await open();
    await store.prepare();
  });

  afterAll(async () => {
    await store.close();
    await rm(dataDir, { recursive: true, force: true });
  });

  it.each(Object.entries(storeChecks))('%s', async (_name, check) => {
    await check(store);
  });

  it('keeps everything when it is closed and opened again', async () => {
    const bench = await Bench.make(store);
    await bench.put(0, [bench.update(0), bench.update(1)]);
    await store.close();
    store = await open();
    await store.prepare();
    const { document, epoch, partition } = bench;
    const state = await store.load({ document, epoch, partition });
    expect(state.updates.map((row) => row.offset)).toEqual([0, 1]);
    expect(state.storedThrough).toBe(1);
  });

  it('is slow and not away while it has much to do', async () => {
    const bench = await Bench.make(store);
    const work = Array.from({ length: 20 }, () => bench.load());
    expect(await Promise.all([store.ping(0), store.ping(0)])).toEqual([true, true]);
    await Promise.all(work);
    expect(await store.ping(10_000)).toBe(true);
    await store.close();
    expect(await store.ping(10_000)).toBe(false);
    store = await open();
  });

  it('a connection that breaks off takes its transaction with it, and the next one works', async () => {
    await store.close();
    const host = await startPglite({
      dataDir,
      answerLimitMs: 60_000,
      clock: systemClock,
      logger: silentLogger,
    });
    const streams: Duplex[] = [];
    const watched = {
      ...host,
      connect: () => {
        const stream = host.connect();
        streams.push(stream);
        return stream;
      },
    };
    const orm = await openOrm({ logger: silentLogger, clock: systemClock }, { host: watched });
    const client = new SqlClient(orm);
    await client.query('create table t (n int)');
    for (let n = 0; n < 3; n++) {
      const cut = client.transaction(async (sql) => {
        await sql('insert into t values (1)');
        streams.at(-1)!.destroy();
        await sql('insert into t values (2)');
      });
      await expect(cut).rejects.toMatchObject({ type: 'STORE_UNAVAILABLE' });
    }
    expect(await client.query('select n from t')).toEqual([]);
    await client.transaction((sql) => sql('insert into t values (3)'));
    expect(await client.query('select n from t')).toEqual([{ n: 3 }]);
    expect(streams).toHaveLength(4);
    await client.query('drop table t');
    await orm.close(true);
    await host.close();
    store = await open();
  });

  it('takes metadata of any depth that its limit lets through', async () => {
    const bench = await Bench.make(store);
    let deep: unknown = 1;
    for (let n = 0; n < 2000; n++) deep = [deep];
    await bench.put(0, [bench.update(0, { metadata: { deep } })]);
    expect((await bench.load()).updates).toHaveLength(1);
  });

  it('a large snapshot is written and read in seconds', async () => {
    const bench = await Bench.make(store);
    await bench.put(0, [bench.update(0)]);
    const data = new Uint8Array(20_000_000).map((_, n) => (n * 2_654_435_761) >>> 13);
    expect(await store.persistSnapshot(bench.snapshot(0, { data }))).toBe(true);
    const { snapshot } = await bench.load();
    expect(Buffer.compare(snapshot!.data, data)).toBe(0);
  }, 60_000);
});
