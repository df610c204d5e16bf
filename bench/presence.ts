import { fork } from 'node:child_process';
import { join } from 'node:path';
import { Histogram } from './load/histogram.ts';
import type { PresenceResult, PresenceSpec } from './load/presence.ts';
import { usageOf } from './process-usage.ts';
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
  const cpu = () => pids.reduce((sum, pid) => sum + usageOf(pid).cpuSeconds, 0);
  let cpuSeconds = 0;
  const result = await load(
    {
      url: running.url,
      rooms: ROOMS,
      peopleInRoom: PEOPLE_IN_ROOM,
      movesPerSecond: MOVES_PER_SECOND,
      warmUpMs: options.warmUpMs,
      measureMs: options.measureMs,
    },
    (mark) => (cpuSeconds = mark === 'measuring' ? cpu() : cpu() - cpuSeconds),
  );
  const seconds = result.measuredMs / 1000;
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
    serverCpuPercent: (100 * cpuSeconds) / seconds,
    peakMemoryMb: pids.reduce((sum, pid) => sum + usageOf(pid).peakMemoryMb, 0),
    troubles: result.troubles,
  };
}

function load(spec: PresenceSpec, onMark: (mark: 'measuring' | 'measured') => void): Promise<PresenceResult> {
  const child = fork(join(import.meta.dirname, 'load/presence.ts'), {
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  return new Promise((resolve, reject) => {
    child.on('message', (message: 'measuring' | 'measured' | PresenceResult) => {
      if (typeof message === 'string') onMark(message);
      else resolve(message);
    });
    child.once('exit', () => reject(new Error('The load process has ended.')));
    child.send(spec);
  });
}
