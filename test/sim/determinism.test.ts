import { describe, expect, it } from '@jest/globals';
import { runSchedule } from './run.ts';
import { scheduleOf } from './world/schedule.ts';

describe('the simulator', () => {
  it('does the same for the same seed, event by event, and something else for another', async () => {
    const hashes = new Set<number>();
    for (let seed = 1; seed <= 40; seed++) {
      const first = await runSchedule(scheduleOf(seed));
      const second = await runSchedule(scheduleOf(seed));
      expect({ seed, hash: second.hash, events: second.events }).toEqual({
        seed,
        hash: first.hash,
        events: first.events,
      });
      hashes.add(first.hash);
    }
    expect(hashes.size).toBe(40);
  });
});
