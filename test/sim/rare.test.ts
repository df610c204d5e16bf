import { describe, expect, it } from '@jest/globals';
import { expectCovered, expectGreen } from './suite.ts';

const SEEDS = 30;
/** Some 2 s on a quiet machine. */
const TIMEOUT_MS = 300_000;
const HAPPENINGS = [
  'crash gateway',
  'cut',
  'break-follow',
  'barrier',
  'shuffle',
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

describe(`schedules of rare meetings 1 to ${SEEDS}`, () => {
  it(
    'lose nothing, diverge nowhere and come to rest',
    async () => {
      const part = await expectGreen(1, SEEDS, 'rare');
      expect(part.schedules).toBe(SEEDS);
      expectCovered(part, HAPPENINGS);
    },
    TIMEOUT_MS,
  );
});
