import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { Database } from '../../lib/store/database.ts';
import { AccountsWorld } from '../contract/accounts-world.ts';
import { checkRoleChanges } from '../contract/role-changes.suite.ts';
import { makeDatabase, type TestDatabase } from '../contract/store-database.ts';

let server: TestDatabase;
let database: Database;

beforeAll(async () => {
  server = await makeDatabase();
  database = await Database.open({ databaseUrl: server.url, logger: silentLogger, clock: systemClock });
  await database.prepare();
});

afterAll(async () => {
  await database.close();
  await server.drop();
});

describe('changes of roles at the same time, on PostgreSQL', () => {
  it.each([1, 2, 3])('leave nothing without an owner and nothing unsaid: seed %d', (seed) =>
    checkRoleChanges(new AccountsWorld(database), { numRuns: 50, seed }),
  );
});
