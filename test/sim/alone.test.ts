import { describe, expect, it } from '@jest/globals';
import { expectCovered, expectGreen } from './suite.ts';

const SEEDS = 35;
/** Some 2 s on a quiet machine. */
const TIMEOUT_MS = 300_000;
const HAPPENINGS = [
  'crash gateway',
  'cut',
  'break-follow',
  'barrier',
  'freeze sync',
  'trouble follow-stall',
  'trouble slow-client',
  'replaced-generation',
  'gap-repair',
  'chunk',
  'nack GENERATION_CHANGED',
  'nack TOO_MANY_UNACKED',
  'nack OWED',
];

describe(`schedules of a page that is alone at a gateway 1 to ${SEEDS}`, () => {
  it(
    'bring it into step with the others, whatever meets there',
    async () => {
      const part = await expectGreen(1, SEEDS, 'alone');
      expect(part.schedules).toBe(SEEDS);
      expectCovered(part, HAPPENINGS);
    },
    TIMEOUT_MS,
  );
});
