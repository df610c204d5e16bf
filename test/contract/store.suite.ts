import { barrierChecks } from './store-checks/barriers.ts';
import { deletionChecks } from './store-checks/deletion.ts';
import { epochChecks } from './store-checks/epochs.ts';
import { historyChecks } from './store-checks/history.ts';
import { operationChecks } from './store-checks/operations.ts';
import { quarantineChecks } from './store-checks/quarantine.ts';
import { rowChecks } from './store-checks/rows.ts';
import { snapshotChecks } from './store-checks/snapshots.ts';
import type { StoreCheck } from './store-checks/bench.ts';

export { Bench, identityOf, offsets, rejectsWith, type StoreCheck } from './store-checks/bench.ts';

/**
 * What every PersistenceAdapter must do. Each check is a plain function on a prepared store and makes its
 * own topic and documents, so that all run on one store, one after another or at once, inside jest or not.
 */
export const storeChecks: Record<string, StoreCheck> = {
  ...rowChecks,
  ...barrierChecks,
  ...quarantineChecks,
  ...snapshotChecks,
  ...historyChecks,
  ...epochChecks,
  ...deletionChecks,
  ...operationChecks,
};
