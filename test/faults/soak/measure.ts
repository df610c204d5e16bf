import { readdir, readFile } from 'node:fs/promises';
import type { Admin } from 'kafkajs';
import type { Cluster } from '../../../scripts/lib/cluster.ts';
import type { StoreReader } from '../../support/recording/read-store.ts';

const MB = 1024 * 1024;

export interface ProcessMeasure {
  name: string;
  /** Since it was started. */
  ageS: number;
  eventLoopP99Ms: number;
  rssMb: number;
  heapMb: number;
  /** Open file descriptors: sockets, files, pipes. */
  handles: number;
}

export interface Measure {
  processes: ProcessMeasure[];
  topics: number;
  groups: number;
  /** Sessions at PostgreSQL. */
  connections: number;
  /** Client connections that the gateways count, and rooms. */
  sockets: number;
  rooms: number;
}

export interface MeasureParts {
  cluster: Cluster;
  admin: Admin;
  store: StoreReader;
  startedAt: ReadonlyMap<string, number>;
  /** The event loop is looked at for so long. */
  windowMs: number;
}

/** What the whole cluster takes, at a moment when it is quiet. */
export async function measure({
  cluster,
  admin,
  store,
  startedAt,
  windowMs,
}: MeasureParts): Promise<Measure> {
  const processes = [...cluster.processes.values()];
  // The delay of the event loop is that since the last look: the first look begins the window.
  await Promise.all(processes.map((process) => scrape(process.internalUrl!)));
  await new Promise((resolve) => setTimeout(resolve, windowMs));
  let [sockets, rooms] = [0, 0];
  const measured: ProcessMeasure[] = [];
  for (const process of processes) {
    const metrics = await scrape(process.internalUrl!);
    sockets += metrics.get('ykafka_connections') ?? 0;
    rooms += metrics.get('ykafka_rooms') ?? 0;
    measured.push({
      name: process.name,
      ageS: (performance.now() - (startedAt.get(process.name) ?? 0)) / 1000,
      eventLoopP99Ms: (metrics.get('nodejs_eventloop_lag_p99_seconds') ?? NaN) * 1000,
      heapMb: (metrics.get('nodejs_heap_size_used_bytes') ?? NaN) / MB,
      rssMb: await residentMb(process.pid!),
      handles: (await readdir(`/proc/${process.pid}/fd`)).length,
    });
  }
  const [topics, { groups }, connections] = await Promise.all([
    admin.listTopics(),
    admin.listGroups(),
    store.connections(),
  ]);
  return { processes: measured, topics: topics.length, groups: groups.length, connections, sockets, rooms };
}

/** Metrics without labels by name. */
async function scrape(baseUrl: string): Promise<Map<string, number>> {
  const response = await fetch(`${baseUrl}/metrics`, { signal: AbortSignal.timeout(10_000) });
  const lines = (await response.text()).split('\n');
  return new Map(
    lines
      .filter((line) => line !== '' && !line.startsWith('#') && !line.includes('{'))
      .map((line) => line.split(' ') as [string, string])
      .map(([name, value]) => [name, Number(value)]),
  );
}

async function residentMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? NaN) / 1024;
}
