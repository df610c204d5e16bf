import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { Database } from '../../lib/store/database.ts';
import { AccountsWorld, accountsChecks } from './accounts.suite.ts';
import { sessionChecks } from './sessions.suite.ts';

describe('accounts on PGlite', () => {
  let database: Database;

  beforeAll(async () => {
    database = await Database.open({ dataDir: 'memory:', logger: silentLogger, clock: systemClock });
    await database.prepare();
  });

  afterAll(() => database.close());

  it.each(Object.entries(accountsChecks))('%s', (_name, check) => check(new AccountsWorld(database)));

  it.each(Object.entries(sessionChecks))('%s', (_name, check) => check(database));
});
