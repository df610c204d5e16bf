import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../lib/clock.ts';
import { AppError } from '../../../lib/errors.ts';
import { ContentRemover } from '../../../lib/lifecycle/content-remover.ts';
import { silentLogger } from '../../../lib/log.ts';
import { LifecycleWorld } from '../../support/lifecycle-world.ts';
import { updateRecord } from '../../support/log-records.ts';
import { waitFor } from '../../support/wait.ts';

let world: LifecycleWorld;
beforeEach(async () => {
  world = await LifecycleWorld.open();
});
afterEach(() => world.close());

const removed = async () => (await world.operator().inspect(world.document)).generations[0]!.removed!;

describe('ContentRemover', () => {
  it('removes everything in steps, goes on after a failure, and where another process stopped', async () => {
    const update = Uint8Array.of(0, 0);
    const records = Array.from({ length: 25 }, (_, n) =>
      updateRecord(world.document, update, { senderId: 's', version: n + 1, generation: 1 }),
    );
    await world.stream.append(world.at, records);
    await world.operator().delete({ document: world.document, key: 'k', expectedGeneration: 1 });
    await world.persist();
    let steps = 0;
    const parts = { clock: systemClock, logger: silentLogger, sweepMs: 10, maxRows: 4 };
    const remover = new ContentRemover({
      ...parts,
      store: {
        removeDeleted: async (maxRows) => {
          if (++steps === 3) throw new AppError('STORE_UNAVAILABLE');
          return world.store.removeDeleted(maxRows);
        },
      },
    });
    remover.start();
    await waitFor(() => steps >= 4);
    await remover.stop();
    const half = (await removed()).rows;
    expect(half).toBeGreaterThan(0);
    expect(half % 4).toBe(0);
    const other = new ContentRemover({ ...parts, store: world.store });
    await other.sweep();
    expect(await removed()).toMatchObject({ rows: 25, completedAtMs: expect.any(Number) });
    await other.stop();
  });
});
