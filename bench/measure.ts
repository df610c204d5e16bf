import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { Histogram } from './load/histogram.ts';
import type { LoadReport, LoadResult, LoadSpec } from './load/messages.ts';
import { usageOf, withChildren } from './process-usage.ts';
import type { Scenario } from './scenarios.ts';
import { processesOf, type RunningSystem, type System } from './systems.ts';

/** One row of the results. */
export interface Measurement {
  system: string;
  scenario: string;
  connections: number;
  deliveriesPerSecond: number;
  p50Ms: number;
  p95Ms: number;
  p99Ms: number;
  /** CPU seconds of the server's processes for 100,000 deliveries. */
  cpuPer100k: number;
  /** Of a core: the server's processes, what it needs beside (Kafka, PostgreSQL), the load processes. */
  serverCpuPercent: number;
  helperCpuPercent: Record<string, number>;
  loadCpuPercent: number;
  /** Highest resident memory of the server's processes since their start, added up. */
  peakMemoryMb: number;
  sent: number;
  deliveries: number;
  missing: number;
  troubles: Record<string, number>;
}

export interface MeasureOptions {
  warmUpMs: number;
  measureMs: number;
  loadProcesses: number;
}

/** A scenario as far as the load needs it. */
export type LoadScenario = Pick<Scenario, 'name' | 'rooms' | 'clientsPerRoom' | 'pace'>;

/** Longer than any step takes: connecting 1,000 clients, measuring, draining. */
const STEP_LIMIT_MS = 180_000;

type ReportOf<E extends LoadReport['event']> = Extract<LoadReport, { event: E }>;

class LoadProcess {
  readonly #child: ChildProcess = fork(join(import.meta.dirname, 'load/worker.ts'), {
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  readonly #seen: LoadReport[] = [];
  #wake: () => void = () => undefined;
  #failure: Error | undefined;

  constructor() {
    this.#child.on('message', (report: LoadReport) => {
      if (report.event === 'failed') this.#failure = new Error(`A load process failed: ${report.message}`);
      this.#seen.push(report);
      this.#wake();
    });
    this.#child.once('exit', (code) => {
      this.#failure ??= new Error(`A load process ended (${code}).`);
      this.#wake();
    });
  }

  tell(message: LoadSpec | 'run'): void {
    this.#child.send(message);
  }

  async until<E extends LoadReport['event']>(event: E): Promise<ReportOf<E>> {
    const timer = setTimeout(() => {
      this.#failure ??= new Error(`A load process did not say "${event}" in time.`);
      this.#wake();
    }, STEP_LIMIT_MS);
    try {
      return await this.#find(event);
    } finally {
      clearTimeout(timer);
    }
  }

  async #find<E extends LoadReport['event']>(event: E): Promise<ReportOf<E>> {
    for (;;) {
      const found = this.#seen.find((report) => report.event === event);
      if (found) return found as ReportOf<E>;
      if (this.#failure) throw this.#failure;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  end(): void {
    this.#child.removeAllListeners('exit').kill('SIGKILL');
  }
}

function snapshot(running: RunningSystem) {
  const cpu = (pids: readonly number[]) => pids.reduce((sum, pid) => sum + usageOf(pid).cpuSeconds, 0);
  return {
    at: performance.now(),
    server: cpu(processesOf(running)),
    helpers: Object.entries(running.helpers).map(([name, pid]) => ({ name, cpu: cpu(withChildren(pid)) })),
  };
}

/** Puts one scenario on a running system. Each call uses rooms of its own. */
export async function measure(
  system: System,
  running: RunningSystem,
  scenario: LoadScenario,
  options: MeasureOptions,
): Promise<Measurement> {
  const { rooms, clientsPerRoom, pace } = scenario;
  const { loadProcesses, ...times } = options;
  const loads = Array.from({ length: loadProcesses }, () => new LoadProcess());
  try {
    const roomPrefix = `bench-${scenario.name}-${Date.now().toString(36)}`;
    const common = { wire: system.wire, url: running.url, roomPrefix, rooms, clientsPerRoom, pace, ...times };
    loads.forEach((load, process) => load.tell({ ...common, process, processes: loads.length }));
    await Promise.all(loads.map((load) => load.until('connected')));
    for (const load of loads) load.tell('run');
    await Promise.all(loads.map((load) => load.until('measuring')));
    const before = snapshot(running);
    await Promise.all(loads.map((load) => load.until('measured')));
    const after = snapshot(running);
    const results = await Promise.all(loads.map((load) => load.until('done')));
    const peakMemoryMb = processesOf(running).reduce((sum, pid) => sum + usageOf(pid).peakMemoryMb, 0);
    return {
      system: system.name,
      scenario: scenario.name,
      connections: rooms * clientsPerRoom,
      ...summarize(results),
      ...cpuFigures({ before, after, results }),
      peakMemoryMb,
    };
  } finally {
    for (const load of loads) load.end();
  }
}

const sum = (results: readonly LoadResult[], of: (result: LoadResult) => number) =>
  results.reduce((total, result) => total + of(result), 0);

function summarize(results: readonly LoadResult[]) {
  const latency = new Histogram();
  for (const result of results) latency.merge(result.latency);
  const troubles: Record<string, number> = {};
  for (const result of results)
    for (const [what, count] of Object.entries(result.troubles))
      troubles[what] = (troubles[what] ?? 0) + count;
  return {
    deliveriesPerSecond: sum(results, ({ deliveries, measuredMs }) => (deliveries / measuredMs) * 1000),
    p50Ms: latency.percentileMs(50),
    p95Ms: latency.percentileMs(95),
    p99Ms: latency.percentileMs(99),
    sent: sum(results, ({ sent }) => sent),
    deliveries: sum(results, ({ deliveries }) => deliveries),
    missing: sum(results, ({ missing }) => missing),
    troubles,
  };
}

function cpuFigures(figures: {
  before: ReturnType<typeof snapshot>;
  after: ReturnType<typeof snapshot>;
  results: readonly LoadResult[];
}) {
  const { before, after, results } = figures;
  const percent = (cpuSeconds: number) => (cpuSeconds / (after.at - before.at)) * 1e5;
  const helperCpuPercent = Object.fromEntries(
    after.helpers.map(({ name, cpu }, index) => [name, percent(cpu - before.helpers[index]!.cpu)]),
  );
  const server = after.server - before.server;
  return {
    cpuPer100k: (server / sum(results, ({ deliveries }) => deliveries)) * 1e5,
    serverCpuPercent: percent(server),
    helperCpuPercent,
    loadCpuPercent: sum(results, ({ cpuSeconds, measuredMs }) => (cpuSeconds / measuredMs) * 1e5),
  };
}
