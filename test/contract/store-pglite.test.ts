import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { createPostgresStore } from '../../lib/store/postgres.ts';
import type { PersistenceAdapter } from '../../lib/store/port.ts';
import { Bench, storeChecks } from './store.suite.ts';

describe('store on PGlite', () => {
  let dataDir: string;
  let store: PersistenceAdapter;
  const open = () => createPostgresStore({ dataDir, logger: silentLogger, clock: systemClock });

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'y-kafka-pglite-'));
    store = await open();
    await store.prepare();
  });

  afterAll(async () => {
    await store.close();
    await rm(dataDir, { recursive: true, force: true });
  });

  it.each(Object.entries(storeChecks))('%s', async (_name, check) => {
    await check(store);
  });

  it('keeps everything when it is closed and opened again', async () => {
    const bench = await Bench.make(store);
    await bench.put(0, [bench.update(0), bench.update(1)]);
    await store.close();
    store = await open();
    await store.prepare();
    const { document, epoch, partition } = bench;
    const state = await store.load({ document, epoch, partition });
    expect(state.updates.map((row) => row.offset)).toEqual([0, 1]);
    expect(state.storedThrough).toBe(1);
  });
});
