import { Counters } from './engine/counters.ts';
import { runSchedule } from './run.ts';
import { schedulesOf } from './world/kinds.ts';
import type { Schedule, ScheduleKind } from './world/schedule.ts';

export interface Failure {
  seed: number;
  /** What was found, in words. */
  found: string[];
}

export interface Totals {
  schedules: number;
  events: number;
  acked: number;
  /** Longest virtual time from the last trouble until all was in step. */
  settledAfterMs: number;
  counters: Counters;
  failures: Failure[];
}

export interface SeedsOptions {
  kind?: ScheduleKind;
  /** Ends the run when so many have failed. */
  maxFailures?: number;
  onSchedule?: (totals: Totals) => void;
}

/** Runs the schedules of a range of seeds, both ends included. */
export async function runSeeds(from: number, to: number, options: SeedsOptions = {}): Promise<Totals> {
  const { maxFailures = 10, onSchedule, kind = 'faults' } = options;
  const totals = noTotals();
  const escaped: string[] = [];
  const onRejection = (reason: unknown) => void escaped.push(`unhandled rejection: ${wordsOf(reason)}`);
  process.on('unhandledRejection', onRejection);
  try {
    for (let seed = from; seed <= to && totals.failures.length < maxFailures; seed++) {
      const found = await runOne(schedulesOf[kind](seed), totals);
      // A tick of the real loop: rejections that nobody handles are told then.
      await new Promise((resolve) => setImmediate(resolve));
      found.push(...escaped.splice(0));
      if (found.length > 0) totals.failures.push({ seed, found });
      onSchedule?.(totals);
    }
  } finally {
    process.off('unhandledRejection', onRejection);
  }
  return totals;
}

const noTotals = (): Totals => ({
  schedules: 0,
  events: 0,
  acked: 0,
  settledAfterMs: 0,
  counters: new Counters(),
  failures: [],
});

/** What a schedule finds, in words; nothing when no promise is broken. An error of the code under test is a finding. */
export function findingsOf(schedule: Schedule): Promise<string[]> {
  return runOne(schedule, noTotals());
}

const OTHER_LUCK = 16;

/** The schedules, and each again with other delays: what the code does by the way shifts those of the first. */
export function withOtherLuck(schedules: readonly Schedule[]): Schedule[] {
  const all = [...schedules];
  for (let seed = 1; seed <= OTHER_LUCK; seed++) all.push(...schedules.map((one) => ({ ...one, seed })));
  return all;
}

async function runOne(schedule: Schedule, totals: Totals): Promise<string[]> {
  try {
    const outcome = await runSchedule(schedule);
    totals.schedules++;
    totals.events += outcome.events;
    totals.acked += outcome.acked;
    totals.settledAfterMs = Math.max(totals.settledAfterMs, outcome.settledAfterMs);
    totals.counters.add(outcome.counters);
    return outcome.violations.map(({ kind, document, detail }) => `${kind} ${document}: ${detail}`);
  } catch (error) {
    return [wordsOf(error)];
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
