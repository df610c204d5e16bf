import { describe, expect, it } from '@jest/globals';
import { FOUND } from './found.ts';
import { runSchedule } from './run.ts';
import { withOtherLuck } from './seeds.ts';

describe('what the simulator has found', () => {
  for (const { name, schedule } of FOUND)
    it(name, async () => {
      for (const one of withOtherLuck([schedule]))
        expect({ seed: one.seed, violations: (await runSchedule(one)).violations }).toEqual({
          seed: one.seed,
          violations: [],
        });
    });
});
