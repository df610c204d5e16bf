import { afterEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { startPglite } from '../../lib/store/pglite.ts';
import { openOrm } from '../../lib/store/postgres-orm.ts';
import { SqlClient } from '../../lib/store/sql.ts';

const START_LIMIT_MS = 180_000;
const HANG = `select count(*) from generate_series(1, 1000000) a, generate_series(1, 1000000) b`;
const parts = { clock: systemClock, logger: silentLogger };
const cleanUps: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function open(options: { dataDir?: string }) {
  const host = await startPglite({ ...options, answerLimitMs: 10_000, ...parts });
  const orm = await openOrm(parts, { host });
  cleanUps.push(async () => {
    await orm.close(true);
    await host.close();
  });
  return new SqlClient(orm);
}

async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ykafka-pglite-'));
  cleanUps.push(() => rm(folder, { recursive: true, force: true }));
  return join(folder, 'db');
}

describe('an embedded database that hangs', () => {
  it(
    'is ended and opened again, with what was committed and without what was not',
    async () => {
      const client = await open({ dataDir: await makeFolder() });
      await client.query('create table t (n int)');
      await client.query('insert into t values (1)');
      const hanging = client.transaction(async (sql) => {
        await sql('insert into t values (2)');
        await sql(HANG);
      });
      const behind = client.query('select n from t');
      await expect(hanging).rejects.toMatchObject({ type: 'STORE_UNAVAILABLE' });
      // It waited for the only connection and got the new one.
      expect(await behind).toEqual([{ n: 1 }]);
      await client.query('insert into t values (3)');
      expect(await client.query('select n from t order by n')).toEqual([{ n: 1 }, { n: 3 }]);
    },
    START_LIMIT_MS,
  );

  it(
    'stays away when it was in memory only: it would be empty',
    async () => {
      const client = await open({});
      await client.query('create table t (n int)');
      await expect(client.query(HANG)).rejects.toMatchObject({ type: 'STORE_UNAVAILABLE' });
      await expect(client.query('select n from t')).rejects.toMatchObject({ type: 'STORE_UNAVAILABLE' });
    },
    START_LIMIT_MS,
  );
});
