import { describe, expect, it } from '@jest/globals';
import { HAPPENINGS } from './coverage-list.ts';
import { expectCovered, expectGreen } from './suite.ts';

const FIRST_SEED = 5001;
const LAST_SEED = 10000;
/** Some 40 s on a quiet machine. */
const TIMEOUT_MS = 900_000;

describe(`schedules ${FIRST_SEED} to ${LAST_SEED}`, () => {
  it(
    'lose nothing that was acked, diverge nowhere and come to rest',
    async () => {
      const part = await expectGreen(FIRST_SEED, LAST_SEED);
      expect(part.schedules).toBe(LAST_SEED - FIRST_SEED + 1);
      expectCovered(part, HAPPENINGS);
    },
    TIMEOUT_MS,
  );
});
