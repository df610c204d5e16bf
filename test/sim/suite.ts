import { expect } from '@jest/globals';
import { runPart, type Part } from '../../scripts/lib/sim-run.ts';
import { printSchedule, shrink } from './shrink.ts';
import { schedulesOf } from './world/kinds.ts';
import type { ScheduleKind } from './world/schedule.ts';

/**
 * Runs the seeds and expects that none fails; of the first that does the message has a minimal schedule. In a process
 * of their own they take half the time that they take in jest's contexts.
 */
export async function expectGreen(from: number, to: number, kind: ScheduleKind = 'faults'): Promise<Part> {
  const part = await runPart(from, to, kind);
  const [first] = part.failures;
  if (!first) return part;
  const minimal = await shrink(schedulesOf[kind](first.seed));
  const seeds = part.failures.map(({ seed }) => seed).join(', ');
  throw new Error(
    `Schedules fail (seeds ${seeds}); npm run sim -- --kind ${kind} --seed ${first.seed} --trace shows the first.\n` +
      `${first.found.join('\n')}\nMinimal:\n${printSchedule(minimal)}`,
  );
}

/** A fault that never meets anything proves nothing: each of these has happened. */
export function expectCovered({ counts }: Part, names: readonly string[]): void {
  expect(names.filter((name) => !counts[name])).toEqual([]);
}
