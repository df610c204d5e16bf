import { spawn } from 'node:child_process';
import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ScheduleKind } from '../../test/sim/world/schedule.ts';

export interface LongRun {
  kind: ScheduleKind;
  /** Both included. */
  from: number;
  to: number;
  workers: number;
  /** Adds a line to test/faults/RESULTS.md. */
  report: boolean;
}

export interface Part {
  schedules: number;
  events: number;
  acked: number;
  settledAfterMs: number;
  failures: { seed: number; found: string[] }[];
  counts: Record<string, number>;
  /** User and system time of the processes that ran it. */
  cpuSeconds: number;
}

export interface Progress extends Part {
  /** First seeds of the parts that are done. */
  done: number[];
  /** As long as the run lasted, interruptions left out. */
  wallSeconds: number;
}

const ROOT = join(import.meta.dirname, '../..');
const RESULTS = join(ROOT, 'test/faults/RESULTS.md');
const PART_SEEDS = 2_000;
/** A world is garbage after its schedule: with room for many of them most of it is never copied. */
const NODE_OPTIONS = ['--max-semi-space-size=64'];

/** Runs a range of seeds in parts, each in a process of its own; goes on where it was interrupted. The exit code. */
export async function runLong(run: LongRun): Promise<number> {
  const folder = join(ROOT, '.cache/sim');
  await mkdir(folder, { recursive: true });
  const file = join(folder, `${run.kind === 'faults' ? '' : `${run.kind}-`}${run.from}-${run.to}.json`);
  const progress = await readProgress(file);
  const parts: number[] = [];
  for (let from = run.from; from <= run.to; from += PART_SEEDS)
    if (!progress.done.includes(from)) parts.push(from);
  const total = run.to - run.from + 1;
  const wallBeganAt = performance.now() - progress.wallSeconds * 1000;
  const work = async () => {
    for (let from = parts.shift(); from !== undefined; from = parts.shift()) {
      add(progress, await runPart(from, Math.min(run.to, from + PART_SEEDS - 1), run.kind));
      progress.done.push(from);
      progress.wallSeconds = (performance.now() - wallBeganAt) / 1000;
      await writeFile(file, JSON.stringify(progress));
      const seeds = progress.failures.map(({ seed }) => seed).slice(0, 10);
      console.log(
        `${progress.schedules} of ${total} schedules, ${progress.failures.length} red ${seeds.join(' ')}`,
      );
    }
  };
  await Promise.all(Array.from({ length: run.workers }, work));
  console.log(summaryOf(progress));
  if (run.report) await appendFile(RESULTS, `\n${reportLineOf(run, progress)}\n`);
  for (const { seed, found } of progress.failures.slice(0, 20))
    console.log(`seed ${seed}: ${found.join('; ')}`);
  return progress.failures.length === 0 ? 0 : 1;
}

async function readProgress(file: string): Promise<Progress> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Progress;
  } catch {
    // Nothing to go on from: it begins.
    return {
      schedules: 0,
      events: 0,
      acked: 0,
      settledAfterMs: 0,
      failures: [],
      counts: {},
      done: [],
      cpuSeconds: 0,
      wallSeconds: 0,
    };
  }
}

/** Runs seeds, both included, in a process of its own. */
export function runPart(from: number, to: number, kind: ScheduleKind = 'faults'): Promise<Part> {
  return new Promise((resolve, reject) => {
    const script = join(ROOT, 'scripts/sim.ts');
    const args = [...NODE_OPTIONS, script, '--part', '--kind', kind, '--seeds', `${from}..${to}`];
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => void chunks.push(chunk));
    child.once('error', reject);
    child.once('close', (code) => {
      if (code !== 0) return reject(new Error(`seeds ${from}..${to}: exit code ${code}`));
      resolve(JSON.parse(Buffer.concat(chunks).toString()) as Part);
    });
  });
}

function add(progress: Progress, part: Part): void {
  progress.schedules += part.schedules;
  progress.events += part.events;
  progress.acked += part.acked;
  progress.settledAfterMs = Math.max(progress.settledAfterMs, part.settledAfterMs);
  progress.failures.push(...part.failures);
  progress.cpuSeconds += part.cpuSeconds;
  for (const [name, count] of Object.entries(part.counts))
    progress.counts[name] = (progress.counts[name] ?? 0) + count;
}

function summaryOf({ schedules, events, acked, counts, cpuSeconds, settledAfterMs }: Progress): string {
  const lines = Object.entries(counts)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, count]) => `  ${name}: ${count}`);
  const perSchedule = ((cpuSeconds * 1000) / Math.max(1, schedules)).toFixed(1);
  return [
    `${schedules} schedules, ${events} events, ${acked} acks; ${perSchedule} ms of a processor each; in step ${settledAfterMs} ms after the last trouble at the latest`,
    ...lines,
  ].join('\n');
}

/** What a run has shown, in a line for people. */
export function reportLineOf(
  { kind, from, to, workers }: Omit<LongRun, 'report'>,
  progress: Progress,
): string {
  const { schedules, events, acked, failures, counts } = progress;
  const hours = (seconds: number) => (seconds / 3600).toFixed(2);
  const faults = Object.entries(counts)
    .filter(([name]) =>
      /^(trouble |crash |freeze |cut$|offline$|leave$|trim$|barrier$|break-follow$|shuffle$|operate )/.test(
        name,
      ),
    )
    .reduce((sum, [, count]) => sum + count, 0);
  return (
    `Simulator${kind === 'faults' ? '' : `, ${kind}`}: seeds ${from} to ${to}, ${schedules} schedules, ${events} events, ${faults} faults, ` +
    `${acked} updates acked, ${failures.length} schedules red; ${hours(progress.wallSeconds)} hours of wall time, ` +
    `${hours(progress.cpuSeconds)} of a processor. ` +
    `Command: \`npm run sim --${kind === 'faults' ? '' : ` --kind ${kind}`} --seeds ${from}..${to} --workers ${workers} --report\`.`
  );
}
