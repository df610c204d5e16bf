import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { replayTrace } from '../scripts/lib/replay.ts';
import { readTrace } from '../scripts/lib/trace.ts';
import { usageOf } from './process-usage.ts';
import { processesOf, type RunningSystem, type System } from './systems.ts';

const TRACE = join(import.meta.dirname, '../test/data/automerge-paper.json.gz');
const SHORT_RUN = 10_000;

/** A whole paper typed character by character, through a real provider client. */
export interface PaperMeasurement {
  system: string;
  edits: number;
  seconds: number;
  editsPerSecond: number;
  openMs: number;
  serverCpuSeconds: number;
  peakMemoryMb: number;
  /** Growth of each data folder. */
  diskMb: Record<string, number>;
}

/** Replays the trace into a running system; throws when the text that comes out is another one. */
export async function measurePaper(
  system: System,
  running: RunningSystem,
  isQuick: boolean,
): Promise<PaperMeasurement> {
  const trace = await readTrace(TRACE);
  const pids = processesOf(running);
  const cpu = () => pids.reduce((sum, pid) => sum + usageOf(pid).cpuSeconds, 0);
  const disk = () => Object.entries(running.folders).map(([name, folder]) => [name, sizeMb(folder)] as const);
  const before = { cpu: cpu(), disk: Object.fromEntries(disk()) };
  const result = await replayTrace({
    urls: [running.url],
    trace,
    room: 'automerge-paper',
    ...(isQuick ? { limit: SHORT_RUN } : {}),
  });
  if (!result.isEqual) throw new Error(`The text differs: ${JSON.stringify(result.difference)}`);
  return {
    system: system.name,
    edits: result.edits,
    seconds: result.durationMs / 1000,
    editsPerSecond: result.editsPerSecond,
    openMs: result.openMs,
    serverCpuSeconds: cpu() - before.cpu,
    peakMemoryMb: pids.reduce((sum, pid) => sum + usageOf(pid).peakMemoryMb, 0),
    diskMb: Object.fromEntries(disk().map(([name, size]) => [name, size - (before.disk[name] ?? 0)])),
  };
}

/** Bytes in the files of a folder; files that go away meanwhile do not count. */
function sizeMb(folder: string): number {
  let bytes = 0;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    bytes += statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0;
  }
  return bytes / 1024 ** 2;
}
