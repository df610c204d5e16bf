import { expect } from '@jest/globals';
import { runPart, type Part } from '../../scripts/lib/sim-run.ts';
import { explainRed } from './shrink.ts';
import type { ScheduleKind } from './world/schedule.ts';

/**
 * Runs the seeds and expects that none fails; of the first that does the message has a minimal schedule. In a process
 * of their own they take half the time that they take in jest's contexts.
 */
export async function expectGreen(from: number, to: number, kind: ScheduleKind = 'faults'): Promise<Part> {
  return expectNoneRed(await runPart(from, to, kind), kind);
}

/** The same of seeds that have been run. */
export async function expectNoneRed(part: Part, kind: ScheduleKind): Promise<Part> {
  const [first, ...others] = part.failures;
  if (first) throw new Error(await explainRed([first, ...others], kind));
  return part;
}

/** A fault that never meets anything proves nothing: each of these has happened. */
export function expectCovered({ counts }: Part, names: readonly string[]): void {
  expect(names.filter((name) => !counts[name])).toEqual([]);
}
