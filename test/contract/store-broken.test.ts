import { describe, expect, it } from '@jest/globals';
import { batchesBreaks } from './store-broken/batches.ts';
import { withBroken, type Breaks } from './store-broken/break.ts';
import { deletionBreaks } from './store-broken/deletion.ts';
import { epochsBreaks } from './store-broken/epochs.ts';
import { quarantineBreaks } from './store-broken/quarantine.ts';
import { readsBreaks } from './store-broken/reads.ts';
import { snapshotsBreaks } from './store-broken/snapshots.ts';
import { storeChecks } from './store.suite.ts';

/** Adapters that break one promise each: the suite must notice every one of them. */
const broken: Breaks = {
  ...batchesBreaks,
  ...deletionBreaks,
  ...quarantineBreaks,
  ...snapshotsBreaks,
  ...readsBreaks,
  ...epochsBreaks,
};

describe('the suite notices an adapter that', () => {
  it.each(Object.entries(broken))('%s', async (_name, { make, fails }) => {
    const check = storeChecks[fails];
    expect(check).toBeDefined();
    await expect(check!(withBroken(make))).rejects.toThrow();
  });

  it('(and passes one that is whole)', async () => {
    for (const check of Object.values(storeChecks)) await check(withBroken(() => ({})));
  });
});
