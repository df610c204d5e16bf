import { parseArgs } from 'node:util';
import { runLong } from './lib/sim-run.ts';
import { runSeeds } from '../test/sim/seeds.ts';
import { runSchedule } from '../test/sim/run.ts';
import { printSchedule, shrink } from '../test/sim/shrink.ts';
import type { ScheduleKind } from '../test/sim/world/schedule.ts';
import { isKind, schedulesOf } from '../test/sim/world/kinds.ts';

/**
 * The simulator by hand:
 *   npm run sim -- --seeds 1..1000000 [--workers 2] [--report]   many schedules, resumable
 *   npm run sim -- --seed 42 [--trace] [--shrink]                one, readable
 * With --kind lifecycle documents are deleted, made again and replaced.
 */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    seed: { type: 'string' },
    kind: { type: 'string', default: 'faults' },
    workers: { type: 'string', default: '1' },
    trace: { type: 'boolean', default: false },
    shrink: { type: 'boolean', default: false },
    report: { type: 'boolean', default: false },
    part: { type: 'boolean', default: false },
  },
});

const { kind } = values;
if (!isKind(kind)) throw new TypeError(`--kind ${Object.keys(schedulesOf).join(' or ')}`);

/** One schedule: what happened in it, and a minimal one when it fails. */
async function showOne(kind: ScheduleKind, seed: number): Promise<number> {
  let schedule = schedulesOf[kind](seed);
  const { failures } = await runSeeds(seed, seed, { kind });
  const isFailing = failures.length > 0;
  if (isFailing && values.shrink) schedule = await shrink(schedule);
  console.log(printSchedule(schedule));
  if (values.trace) {
    const onTrace = (atMs: number, line: string) => console.log(`${atMs.toFixed(1).padStart(9)}  ${line}`);
    await runSchedule(schedule, { onTrace }).catch((error: unknown) => console.error(error));
  }
  for (const { found } of failures) for (const line of found) console.log(line);
  console.log(isFailing ? 'red' : 'green');
  return isFailing ? 1 : 0;
}

function rangeOf(text: string): { from: number; to: number } {
  const match = /^(\d+)\.\.(\d+)$/.exec(text);
  if (!match) throw new TypeError('--seeds A..B, both included');
  return { from: Number(match[1]), to: Number(match[2]) };
}

/** What a long run gives to a process of its own: one line of JSON. */
async function runPart(kind: ScheduleKind, { from, to }: { from: number; to: number }): Promise<void> {
  const { counters, ...totals } = await runSeeds(from, to, { kind });
  const { user, system } = process.cpuUsage();
  const cpuSeconds = (user + system) / 1e6;
  console.log(JSON.stringify({ ...totals, cpuSeconds, counts: Object.fromEntries(counters.counts) }));
}

if (values.seed !== undefined) process.exitCode = await showOne(kind, Number(values.seed));
else if (values.seeds !== undefined) {
  const { from, to } = rangeOf(values.seeds);
  if (values.part) await runPart(kind, { from, to });
  else
    process.exitCode = await runLong({
      kind,
      from,
      to,
      workers: Number(values.workers),
      report: values.report,
    });
} else {
  console.error('--seeds A..B or --seed N');
  process.exitCode = 2;
}
