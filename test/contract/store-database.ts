import { MikroORM } from '@mikro-orm/postgresql';
import { randomBytes } from 'node:crypto';

export interface TestDatabase {
  url: string;
  /** Runs a statement in it, on a connection of its own. */
  run<T = Record<string, unknown>>(sql: string): Promise<T[]>;
  drop(): Promise<void>;
}

/** A database with a unique name on the server of DATABASE_URL, so that test files do not see each other. */
export async function makeDatabase(): Promise<TestDatabase> {
  const serverUrl = process.env.DATABASE_URL;
  if (!serverUrl) throw new Error('DATABASE_URL is not set: the test runner starts a server and sets it.');
  const name = `y_kafka_test_${randomBytes(6).toString('hex')}`;
  await runOn(serverUrl, `create database ${name}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    run: (sql) => runOn(url.href, sql),
    drop: async () => void (await runOn(serverUrl, `drop database ${name} with (force)`)),
  };
}

async function runOn<T>(clientUrl: string, sql: string): Promise<T[]> {
  const orm = await MikroORM.init({
    clientUrl,
    entities: [],
    discovery: { warnWhenNoEntities: false },
    ensureDatabase: false,
    pool: { min: 0, max: 1 },
  });
  try {
    return (await orm.em.getConnection().execute(sql)) as T[];
  } finally {
    await orm.close(true);
  }
}
