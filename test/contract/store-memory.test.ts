import { describe, it } from '@jest/globals';
import { systemClock } from '../../lib/clock.ts';
import { MemoryStore } from '../../lib/store/memory.ts';
import { storeChecks } from './store.suite.ts';

describe('store in memory', () => {
  const store = new MemoryStore({ clock: systemClock });

  it.each(Object.entries(storeChecks))('%s', async (_name, check) => {
    await check(store);
  });
});
