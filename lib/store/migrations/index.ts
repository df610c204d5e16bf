import { InitialMigration } from './0001-initial.ts';
import { LifecycleMigration } from './0002-lifecycle.ts';
import { OperationsMigration } from './0003-operations.ts';
import { AccountsMigration } from './0004-accounts.ts';
import { SnapshotSlicesMigration } from './0005-snapshot-slices.ts';
import { ServiceTokensMigration } from './0006-service-tokens.ts';
import { EndedSessionsMigration } from './0007-ended-sessions.ts';

/** In order; the name of an applied one never changes. */
export const STORE_MIGRATIONS = [
  { name: '0001-initial', class: InitialMigration },
  { name: '0002-lifecycle', class: LifecycleMigration },
  { name: '0003-operations', class: OperationsMigration },
  { name: '0004-accounts', class: AccountsMigration },
  { name: '0005-snapshot-slices', class: SnapshotSlicesMigration },
  { name: '0006-service-tokens', class: ServiceTokensMigration },
  { name: '0007-ended-sessions', class: EndedSessionsMigration },
];
