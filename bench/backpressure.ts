import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import type { NuisanceKind, NuisanceReport, NuisanceSpec } from './load/nuisance.ts';
import { measure, type LoadScenario, type MeasureOptions } from './measure.ts';
import type { RunningSystem, System } from './systems.ts';

/** What the others notice of one that behaves badly: their p99 without it and with it, by turns. */
export interface BackpressureMeasurement {
  system: string;
  kind: NuisanceKind;
  title: string;
  quietP99Ms: number[];
  disturbedP99Ms: number[];
  /** Median with it ÷ median without it. */
  ratio: number;
  missing: number;
  troubles: Record<string, number>;
  nuisance: { updatesPerSecond: number; mbPerSecond: number; troubles: Record<string, number> };
  peakMemoryMb: number;
}

export interface Nuisance {
  kind: NuisanceKind;
  title: string;
  /** Settings of the server for this one. */
  env: Record<string, string>;
}

export const NUISANCES: readonly Nuisance[] = [
  { kind: 'stalled', title: 'one that stops reading, in a room of 1 MB/s', env: {} },
  { kind: 'flood', title: 'one that floods, limits as they are', env: {} },
  {
    kind: 'flood',
    title: 'one that floods, 500 updates/s allowed',
    env: { YKAFKA_CONNECTION_UPDATES_PER_SECOND: '500' },
  },
  { kind: 'heavy-room', title: 'a room of 50 writers of 20 kB/s', env: {} },
  {
    kind: 'full-buffer',
    title: 'one that fills a producer buffer of 1 MB',
    env: { YKAFKA_PRODUCER_BUFFER_BYTES: String(1024 * 1024) },
  },
];

/** The others: people who type, in rooms of their own. */
const OTHERS: LoadScenario = {
  name: 'others',
  rooms: 10,
  clientsPerRoom: 10,
  pace: { kind: 'paced', updatesPerSecond: 1000 / 9 },
};
const ROUNDS = 3;
const LOWEST_PRIORITY = 19;

/** On a server that runs with the nuisance's settings. */
export async function measureBackpressure(
  system: System,
  running: RunningSystem,
  { nuisance, options }: { nuisance: Nuisance; options: MeasureOptions },
): Promise<BackpressureMeasurement> {
  const { kind, title } = nuisance;
  const quiet: number[] = [];
  const disturbed: number[] = [];
  const total = { missing: 0, peakMemoryMb: 0, sent: 0, sentBytes: 0, seconds: 0 };
  const troubles: Record<string, number> = {};
  const nasty: Record<string, number> = {};
  for (let round = 0; round < ROUNDS; round++) {
    quiet.push((await measure(system, running, OTHERS, options)).p99Ms);
    const startedAt = performance.now();
    const child = await start({ kind, url: running.url, room: `nuisance-${round}` });
    try {
      const row = await measure(system, running, OTHERS, options);
      disturbed.push(row.p99Ms);
      total.missing += row.missing;
      total.peakMemoryMb = row.peakMemoryMb;
      add(troubles, row.troubles);
      const report = await stop(child);
      total.sent += report.sent;
      total.sentBytes += report.sentBytes;
      total.seconds += (performance.now() - startedAt) / 1000;
      add(nasty, report.troubles);
    } finally {
      child.kill('SIGKILL');
    }
  }
  return {
    system: system.name,
    kind,
    title,
    quietP99Ms: quiet,
    disturbedP99Ms: disturbed,
    ratio: median(disturbed) / median(quiet),
    missing: total.missing,
    troubles,
    nuisance: {
      updatesPerSecond: total.sent / total.seconds,
      mbPerSecond: total.sentBytes / total.seconds / 1e6,
      troubles: nasty,
    },
    peakMemoryMb: total.peakMemoryMb,
  };
}

async function start(spec: NuisanceSpec): Promise<ChildProcess> {
  const child = fork(join(import.meta.dirname, 'load/nuisance.ts'), {
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  // On a real network it has a machine of its own: what it takes from the server's processors must not count.
  setPriority(child.pid!, LOWEST_PRIORITY);
  child.send(spec);
  await once(child, 'message');
  return child;
}

async function stop(child: ChildProcess): Promise<NuisanceReport> {
  const answered = once(child, 'message');
  child.send('stop');
  const [report] = (await answered) as [NuisanceReport];
  return report;
}

function add(to: Record<string, number>, counts: Record<string, number>): void {
  for (const [what, count] of Object.entries(counts)) to[what] = (to[what] ?? 0) + count;
}

export const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
