import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { Histogram } from './load/histogram.ts';
import type { PresenceReport, PresenceResult, PresenceSpec } from './load/presence.ts';
import { usageOf, withChildren } from './process-usage.ts';
import { processesOf, type RunningSystem } from './systems.ts';

/** What people in rooms see of each other's cursors. */
export interface PresenceMeasurement {
  title: string;
  connections: number;
  movesPerSecond: number;
  cursorsPerSecond: number;
  messagesPerSecond: number;
  p50Ms: number;
  p95Ms: number;
  p99Ms: number;
  /** By another gateway; NaN where there is one alone. */
  p50ElsewhereMs: number;
  p99ElsewhereMs: number;
  /** Of a core: the server's processes, what it needs beside, the load processes. */
  serverCpuPercent: number;
  helperCpuPercent: Record<string, number>;
  loadCpuPercent: number;
  peakMemoryMb: number;
  troubles: Record<string, number>;
}

export interface PresenceOptions {
  warmUpMs: number;
  measureMs: number;
  loadProcesses: number;
}

const ROOMS = 100;
const PEOPLE_IN_ROOM = 10;
const MOVES_PER_SECOND = 10;

/** Where the people of a room are, and how gateways tell each other. */
export const PRESENCE_CASES = [
  { system: 'embedded', title: 'embedded', gateways: 1, needsRedis: false },
  { system: 'kafka', title: 'on Kafka, one gateway', gateways: 1, needsRedis: false },
  {
    system: 'kafka',
    title: 'on Kafka, two gateways, by the awareness topic',
    gateways: 2,
    needsRedis: false,
  },
  { system: 'kafka', title: 'on Kafka, two gateways, by Redis', gateways: 2, needsRedis: true },
] as const;

/** 100 rooms of 10 people, each cursor at 10 Hz. */
export async function measurePresence(
  title: string,
  running: RunningSystem,
  { loadProcesses, ...times }: PresenceOptions,
): Promise<PresenceMeasurement> {
  const specs = Array.from({ length: loadProcesses }, (_, process): PresenceSpec => {
    const rooms = Array.from({ length: ROOMS }, (_room, room) => room);
    return {
      urls: running.urls,
      rooms: rooms.filter((room) => room % loadProcesses === process),
      peopleInRoom: PEOPLE_IN_ROOM,
      movesPerSecond: MOVES_PER_SECOND,
      ...times,
    };
  });
  const loads = specs.map((spec) => new PresenceLoad(spec));
  try {
    await Promise.all(loads.map((load) => load.until('connected')));
    for (const load of loads) load.run();
    await Promise.all(loads.map((load) => load.until('measuring')));
    const before = usage(running, loads);
    await Promise.all(loads.map((load) => load.until('measured')));
    const after = usage(running, loads);
    const results = await Promise.all(loads.map((load) => load.result()));
    return { title, ...summarize(results), ...cpuFigures(running, { before, after }) };
  } finally {
    for (const load of loads) load.end();
  }
}

function summarize(results: readonly PresenceResult[]) {
  const [latency, elsewhere] = [new Histogram(), new Histogram()];
  const troubles: Record<string, number> = {};
  for (const result of results) {
    latency.merge(result.latency);
    elsewhere.merge(result.latencyElsewhere);
    for (const [what, count] of Object.entries(result.troubles))
      troubles[what] = (troubles[what] ?? 0) + count;
  }
  const rate = (of: (result: PresenceResult) => number) =>
    results.reduce((sum, result) => sum + (1000 * of(result)) / result.measuredMs, 0);
  return {
    connections: ROOMS * PEOPLE_IN_ROOM,
    movesPerSecond: rate(({ moves }) => moves),
    // A reader stands for all who are where it is.
    cursorsPerSecond:
      (rate(({ seen }) => seen) / results.reduce((sum, { readers }) => sum + readers, 0)) *
      ROOMS *
      PEOPLE_IN_ROOM,
    messagesPerSecond: rate(({ messages }) => messages),
    p50Ms: latency.percentileMs(50),
    p95Ms: latency.percentileMs(95),
    p99Ms: latency.percentileMs(99),
    p50ElsewhereMs: elsewhere.percentileMs(50),
    p99ElsewhereMs: elsewhere.percentileMs(99),
    troubles,
  };
}

function usage(running: RunningSystem, loads: readonly PresenceLoad[]) {
  const cpuOf = (pids: readonly number[]) => pids.reduce((sum, pid) => sum + usageOf(pid).cpuSeconds, 0);
  return {
    atMs: performance.now(),
    server: cpuOf(processesOf(running)),
    load: cpuOf(loads.map(({ pid }) => pid)),
    helpers: Object.values(running.helpers).map((pid) => cpuOf(withChildren(pid))),
  };
}

type Usage = ReturnType<typeof usage>;

function cpuFigures(running: RunningSystem, { before, after }: { before: Usage; after: Usage }) {
  // A process that has ended meanwhile takes its time with it.
  const percent = (cpuSeconds: number) => Math.max(0, (1e5 * cpuSeconds) / (after.atMs - before.atMs));
  return {
    serverCpuPercent: percent(after.server - before.server),
    helperCpuPercent: Object.fromEntries(
      Object.keys(running.helpers).map((name, at) => [
        name,
        percent(after.helpers[at]! - before.helpers[at]!),
      ]),
    ),
    loadCpuPercent: percent(after.load - before.load),
    peakMemoryMb: processesOf(running).reduce((sum, pid) => sum + usageOf(pid).peakMemoryMb, 0),
  };
}

class PresenceLoad {
  readonly #child: ChildProcess;
  readonly #reports: PresenceReport[] = [];
  #hasEnded = false;
  #wake: () => void = () => undefined;

  constructor(spec: PresenceSpec) {
    this.#child = fork(join(import.meta.dirname, 'load/presence.ts'), {
      execArgv: ['--disable-warning=ExperimentalWarning'],
    });
    this.#child.on('message', (report: PresenceReport) => {
      this.#reports.push(report);
      this.#wake();
    });
    this.#child.once('exit', () => {
      this.#hasEnded = true;
      this.#wake();
    });
    this.#child.send(spec);
  }

  get pid(): number {
    return this.#child.pid!;
  }

  run(): void {
    this.#child.send('run');
  }

  async until(what: 'connected' | 'measuring' | 'measured'): Promise<void> {
    await this.#find((report) => report === what);
  }

  async result(): Promise<PresenceResult> {
    return (await this.#find((report) => typeof report !== 'string')) as PresenceResult;
  }

  end(): void {
    this.#child.kill('SIGKILL');
  }

  async #find(is: (report: PresenceReport) => boolean): Promise<PresenceReport> {
    for (;;) {
      const found = this.#reports.find(is);
      if (found !== undefined) return found;
      if (this.#hasEnded) throw new Error('A load process has ended.');
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
