import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { Database } from '../../lib/store/database.ts';
import { fillDatabaseFolder } from '../support/database-folder.ts';
import { AccountsWorld } from '../contract/accounts-world.ts';
import { accountsChecks } from '../contract/accounts.suite.ts';
import { inviteChecks } from '../contract/invites.suite.ts';
import { listChecks } from '../contract/lists.suite.ts';
import { rightsChecks } from '../contract/rights.suite.ts';
import { checkRoleChanges } from '../contract/role-changes.suite.ts';
import { serviceTokenChecks } from '../contract/service-tokens.suite.ts';
import { sessionChecks } from '../contract/sessions.suite.ts';

describe('accounts on PGlite', () => {
  let folder: string;
  let database: Database;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ykafka-accounts-'));
    await fillDatabaseFolder(folder);
    const dataDir = join(folder, 'db');
    database = await Database.open({ dataDir, logger: silentLogger, clock: systemClock });
    await database.prepare();
  });

  afterAll(async () => {
    await database.close();
    await rm(folder, { recursive: true, force: true });
  });

  it.each(Object.entries({ ...accountsChecks, ...inviteChecks, ...rightsChecks, ...listChecks }))(
    '%s',
    (_name, check) => check(new AccountsWorld(database)),
  );

  it('nobody and nothing is left without an owner, whatever people do at the same time', () =>
    checkRoleChanges(new AccountsWorld(database), { numRuns: 8, seed: 4 }));

  it.each(Object.entries({ ...sessionChecks, ...serviceTokenChecks }))('%s', (_name, check) =>
    check(database),
  );
});
