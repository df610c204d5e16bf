import { parseArgs } from 'node:util';
import { runLong } from './lib/sim-run.ts';
import { runSeeds } from '../test/sim/seeds.ts';
import { runSchedule } from '../test/sim/run.ts';
import { printSchedule, shrink } from '../test/sim/shrink.ts';
import { scheduleOf } from '../test/sim/world/schedule.ts';

/**
 * The simulator by hand:
 *   npm run sim -- --seeds 1..1000000 [--workers 2] [--report]   many schedules, resumable
 *   npm run sim -- --seed 42 [--trace] [--shrink]                one, readable
 */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    seed: { type: 'string' },
    workers: { type: 'string', default: '1' },
    trace: { type: 'boolean', default: false },
    shrink: { type: 'boolean', default: false },
    report: { type: 'boolean', default: false },
    part: { type: 'boolean', default: false },
  },
});

/** One schedule: what happened in it, and a minimal one when it fails. */
async function showOne(seed: number): Promise<number> {
  let schedule = scheduleOf(seed);
  const { failures } = await runSeeds(seed, seed);
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
async function runPart(from: number, to: number): Promise<void> {
  const { counters, ...totals } = await runSeeds(from, to);
  const { user, system } = process.cpuUsage();
  const cpuSeconds = (user + system) / 1e6;
  console.log(JSON.stringify({ ...totals, cpuSeconds, counts: Object.fromEntries(counters.counts) }));
}

if (values.seed !== undefined) process.exitCode = await showOne(Number(values.seed));
else if (values.seeds !== undefined) {
  const { from, to } = rangeOf(values.seeds);
  if (values.part) await runPart(from, to);
  else process.exitCode = await runLong({ from, to, workers: Number(values.workers), report: values.report });
} else {
  console.error('--seeds A..B or --seed N');
  process.exitCode = 2;
}
