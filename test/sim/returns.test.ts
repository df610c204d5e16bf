import { describe, expect, it } from '@jest/globals';
import { expectCovered, expectGreen } from './suite.ts';

const SEEDS = 200;
/** Some 2 s on a quiet machine. */
const TIMEOUT_MS = 300_000;
const HAPPENINGS = [
  'cut',
  'trouble follow-stall',
  'barrier',
  'ring-answer',
  'resume',
  'full-join',
  'gap-repair',
];

describe(`schedules of returning pages 1 to ${SEEDS}`, () => {
  it(
    'take no page back behind what it has heard of',
    async () => {
      const part = await expectGreen(1, SEEDS, 'returns');
      expect(part.schedules).toBe(SEEDS);
      expectCovered(part, HAPPENINGS);
    },
    TIMEOUT_MS,
  );
});
