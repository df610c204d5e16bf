import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { Database } from '../../lib/store/database.ts';
import { AccountsWorld } from './accounts-world.ts';
import { accountsChecks } from './accounts.suite.ts';
import { inviteChecks } from './invites.suite.ts';
import { listChecks } from './lists.suite.ts';
import { rightsChecks } from './rights.suite.ts';
import { checkRoleChanges } from './role-changes.suite.ts';
import { serviceTokenChecks } from './service-tokens.suite.ts';
import { sessionChecks } from './sessions.suite.ts';
import { makeDatabase, type TestDatabase } from './store-database.ts';

describe('accounts on PostgreSQL', () => {
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

  it.each(Object.entries({ ...accountsChecks, ...inviteChecks, ...rightsChecks, ...listChecks }))(
    '%s',
    (_name, check) => check(new AccountsWorld(database)),
  );

  it('nobody and nothing is left without an owner, whatever people do at the same time', () =>
    checkRoleChanges(new AccountsWorld(database), { numRuns: 20, seed: 5 }));

  it.each(Object.entries({ ...sessionChecks, ...serviceTokenChecks }))('%s', (_name, check) =>
    check(database),
  );
});
