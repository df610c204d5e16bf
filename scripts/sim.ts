import { readOptions, runCommand, UsageError, wholeNumber } from './lib/command-line.ts';
import { runLong } from './lib/sim-run.ts';
import { runSeeds } from '../test/sim/seeds.ts';
import { runSchedule } from '../test/sim/run.ts';
import { printSchedule, shrink } from '../test/sim/shrink.ts';
import type { ScheduleKind } from '../test/sim/world/schedule.ts';
import { isKind, schedulesOf } from '../test/sim/world/kinds.ts';

const USAGE = `Usage: npm run sim -- --seeds A..B [options]
       npm run sim -- --seed N [options]

Runs schedules of faults against the project's own code, in virtual time; the same seed is the same schedule.

  --seeds A..B  many, both ends included; goes on where the last run of them was stopped
  --workers N   processes for them (default 1)
  --report      adds a line to test/faults/RESULTS.md
  --seed N      one schedule, readable
  --trace       everything that happens in it
  --shrink      a minimal one, when it fails
  --kind KIND   ${Object.keys(schedulesOf).join(', ')} (default faults)

Exit code: 0 green, 1 red, 2 bad options.`;

/** One schedule: what happened in it, and a minimal one when it fails. */
async function showOne(
  kind: ScheduleKind,
  seed: number,
  { isTraced, isShrunk }: { isTraced: boolean; isShrunk: boolean },
): Promise<number> {
  let schedule = schedulesOf[kind](seed);
  const { failures } = await runSeeds(seed, seed, { kind });
  const isFailing = failures.length > 0;
  if (isFailing && isShrunk) schedule = await shrink(schedule);
  console.log(printSchedule(schedule));
  if (isTraced) {
    const onTrace = (atMs: number, line: string) => console.log(`${atMs.toFixed(1).padStart(9)}  ${line}`);
    await runSchedule(schedule, { onTrace }).catch((error: unknown) => console.error(error));
  }
  for (const { found } of failures) for (const line of found) console.log(line);
  console.log(isFailing ? 'red' : 'green');
  return isFailing ? 1 : 0;
}

function rangeOf(text: string): { from: number; to: number } {
  const match = /^(\d+)\.\.(\d+)$/.exec(text);
  if (!match) throw new UsageError('--seeds must be A..B.');
  return { from: Number(match[1]), to: Number(match[2]) };
}

/** What a long run gives to a process of its own: one line of JSON. */
async function runPart(kind: ScheduleKind, { from, to }: { from: number; to: number }): Promise<void> {
  const { counters, ...totals } = await runSeeds(from, to, { kind });
  const { user, system } = process.cpuUsage();
  const cpuSeconds = (user + system) / 1e6;
  console.log(JSON.stringify({ ...totals, cpuSeconds, counts: Object.fromEntries(counters.counts) }));
}

async function run(): Promise<number> {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean', default: false } as const;
  const values = readOptions({
    seeds: text,
    seed: text,
    kind: { ...text, default: 'faults' },
    workers: { ...text, default: '1' },
    trace: flag,
    shrink: flag,
    report: flag,
    part: flag,
  });
  const { kind, report } = values;
  if (!isKind(kind)) throw new UsageError(`There is no kind ${kind}.`);
  if (values.seed !== undefined) {
    const how = { isTraced: values.trace, isShrunk: values.shrink };
    return showOne(kind, wholeNumber('seed', values.seed), how);
  }
  if (values.seeds === undefined) throw new UsageError('--seeds or --seed is missing.');
  const { from, to } = rangeOf(values.seeds);
  if (!values.part)
    return runLong({ kind, from, to, workers: wholeNumber('workers', values.workers, { min: 1 }), report });
  await runPart(kind, { from, to });
  return 0;
}

await runCommand({ usage: USAGE, run });
