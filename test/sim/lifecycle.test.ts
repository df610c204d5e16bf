import { describe, expect, it } from '@jest/globals';
import { LIFECYCLE_HAPPENINGS } from './coverage-list.ts';
import { expectCovered, expectGreen } from './suite.ts';

const SEEDS = 1_000;
/** Some 8 s on a quiet machine. */
const TIMEOUT_MS = 600_000;

describe(`lifecycle schedules 1 to ${SEEDS}`, () => {
  it(
    'bring nothing back that was deleted or replaced, leave nothing of it, and do each operation once',
    async () => {
      const part = await expectGreen(1, SEEDS, 'lifecycle');
      expect(part.schedules).toBe(SEEDS);
      expectCovered(part, LIFECYCLE_HAPPENINGS);
    },
    TIMEOUT_MS,
  );
});
