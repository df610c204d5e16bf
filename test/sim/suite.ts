import { expect } from '@jest/globals';
import { runSeeds, type Totals } from './seeds.ts';
import { printSchedule, shrink } from './shrink.ts';
import { scheduleOf } from './world/schedule.ts';

/** Runs the seeds and expects that none fails; of the first that does the message has a minimal schedule. */
export async function expectGreen(from: number, to: number): Promise<Totals> {
  const totals = await runSeeds(from, to, { maxFailures: 3 });
  const [first] = totals.failures;
  if (!first) return totals;
  const minimal = await shrink(scheduleOf(first.seed));
  const seeds = totals.failures.map(({ seed }) => seed).join(', ');
  throw new Error(
    `Schedules fail (seeds ${seeds}); npm run sim -- --seed ${first.seed} --trace shows the first.\n` +
      `${first.found.join('\n')}\nMinimal:\n${printSchedule(minimal)}`,
  );
}

/** A fault that never meets anything proves nothing: each of these has happened. */
export function expectCovered({ counters }: Totals, names: readonly string[]): void {
  expect(names.filter((name) => counters.get(name) === 0)).toEqual([]);
}
