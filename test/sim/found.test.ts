import { describe, expect, it } from '@jest/globals';
import { FOUND } from './found.ts';
import { runSchedule } from './run.ts';

describe('what the simulator has found', () => {
  for (const { name, schedule } of FOUND)
    it(name, async () => {
      expect((await runSchedule(schedule)).violations).toEqual([]);
    });
});
