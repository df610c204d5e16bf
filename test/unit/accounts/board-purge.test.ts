import { expect, it } from '@jest/globals';
import { BoardPurge } from '../../../lib/accounts/board-purge.ts';
import type { AccountsContext } from '../../../lib/accounts/context.ts';
import { silentLogger } from '../../../lib/log.ts';
import { ManualClock } from '../gateway/manual-clock.ts';

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

it('a look that fails is repeated soon, then less often; once it works, at the usual times', async () => {
  const clock = new ManualClock();
  let looks = 0;
  let isAway = true;
  const entities = async () => {
    looks++;
    if (isAway) throw new Error('away');
    return [];
  };
  const purge = new BoardPurge({
    context: { database: { entities } as unknown as AccountsContext['database'], clock },
    documentsOf: async () => [],
    deleteDocument: async () => undefined,
    clock,
    logger: silentLogger,
    restoreMs: 0,
    pollMs: 5_000,
  });
  purge.start();
  await settle();
  expect(looks).toBe(1);
  for (const [index, delayMs] of [1_000, 2_000, 4_000, 5_000, 5_000].entries()) {
    clock.advance(delayMs - 1);
    await settle();
    expect(looks).toBe(1 + index);
    clock.advance(1);
    await settle();
    expect(looks).toBe(2 + index);
  }
  isAway = false;
  clock.advance(5_000);
  await settle();
  const before = looks;
  clock.advance(4_999);
  await settle();
  expect(looks).toBe(before);
  isAway = true;
  clock.advance(1);
  await settle();
  expect(looks).toBe(before + 1);
  clock.advance(1_000);
  await settle();
  expect(looks).toBe(before + 2);
  await purge.stop();
});
