import { fork } from 'node:child_process';
import { join } from 'node:path';
import { Histogram } from './load/histogram.ts';
import type { PresenceResult, PresenceSpec } from './load/presence.ts';
import { usageOf, withChildren } from './process-usage.ts';
import { processesOf, type RunningSystem, type System } from './systems.ts';

/** What people in rooms see of each other's cursors. */
export interface PresenceMeasurement {
  system: string;
  connections: number;
  movesPerSecond: number;
  cursorsPerSecond: number;
  messagesPerSecond: number;
  p50Ms: number;
  p95Ms: number;
  p99Ms: number;
  /** Of a core. */
  serverCpuPercent: number;
  /** Of what it needs beside: Kafka, PostgreSQL, Redis. */
  helperCpuPercent: Record<string, number>;
  loadCpuPercent: number;
  peakMemoryMb: number;
  troubles: Record<string, number>;
}

const ROOMS = 100;
const PEOPLE_IN_ROOM = 10;
const MOVES_PER_SECOND = 10;

/** 100 rooms of 10 people, each cursor at 10 Hz. */
export async function measurePresence(
  system: System,
  running: RunningSystem,
  options: { warmUpMs: number; measureMs: number },
): Promise<PresenceMeasurement> {
  const pids = processesOf(running);
  const loads: number[] = [];
  const cpuOf = (of: readonly number[]) => of.reduce((sum, pid) => sum + usageOf(pid).cpuSeconds, 0);
  const helpers = Object.entries(running.helpers).map(([name, pid]) => ({ name, pids: withChildren(pid) }));
  const cpu = () => ({
    server: cpuOf(pids),
    load: cpuOf(loads),
    helpers: helpers.map((helper) => cpuOf(helper.pids)),
  });
  let before = cpu();
  let after = before;
  const result = await load(
    {
      url: running.url,
      rooms: ROOMS,
      peopleInRoom: PEOPLE_IN_ROOM,
      movesPerSecond: MOVES_PER_SECOND,
      warmUpMs: options.warmUpMs,
      measureMs: options.measureMs,
    },
    {
      started: (pid) => loads.push(pid),
      measuring: () => (before = cpu()),
      measured: () => (after = cpu()),
    },
  );
  const seconds = result.measuredMs / 1000;
  const percent = (cpuSeconds: number) => (100 * cpuSeconds) / seconds;
  const latency = new Histogram(result.latency);
  return {
    system: system.name,
    connections: ROOMS * PEOPLE_IN_ROOM,
    movesPerSecond: result.moves / seconds,
    cursorsPerSecond: result.seen / seconds,
    messagesPerSecond: result.messages / seconds,
    p50Ms: latency.percentileMs(50),
    p95Ms: latency.percentileMs(95),
    p99Ms: latency.percentileMs(99),
    serverCpuPercent: percent(after.server - before.server),
    helperCpuPercent: Object.fromEntries(
      helpers.map(({ name }, at) => [name, percent(after.helpers[at]! - before.helpers[at]!)]),
    ),
    loadCpuPercent: percent(after.load - before.load),
    peakMemoryMb: pids.reduce((sum, pid) => sum + usageOf(pid).peakMemoryMb, 0),
    troubles: result.troubles,
  };
}

interface LoadEvents {
  started: (pid: number) => void;
  measuring: () => void;
  measured: () => void;
}

function load(spec: PresenceSpec, events: LoadEvents): Promise<PresenceResult> {
  const child = fork(join(import.meta.dirname, 'load/presence.ts'), {
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  events.started(child.pid!);
  return new Promise((resolve, reject) => {
    child.on('message', (message: 'measuring' | 'measured' | PresenceResult) => {
      if (typeof message === 'string') events[message]();
      else resolve(message);
    });
    child.once('exit', () => reject(new Error('The load process has ended.')));
    child.send(spec);
  });
}
