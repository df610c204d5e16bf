import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { startKafka } from '../scripts/dev/kafka.ts';
import { freePorts } from '../scripts/dev/ports.ts';
import { startRedis } from '../scripts/dev/redis.ts';
import { startPostgres } from '../scripts/dev/postgres.ts';
import { startCluster } from '../scripts/lib/cluster.ts';
import type { Wire } from './load/clients.ts';
import { withChildren } from './process-usage.ts';

const START_LIMIT_MS = 60_000;

/** A server under load, in its own process or processes. */
export interface RunningSystem {
  url: string;
  /** Of all gateways, that one first. */
  urls: readonly string[];
  /** Processes of the server itself; their use is what the figures say. */
  servers: () => number[];
  /** Processes that it needs and that others run as well (Kafka, PostgreSQL), by name. */
  helpers: Readonly<Record<string, number>>;
  /** Where it keeps its data, by name. */
  folders: Readonly<Record<string, string>>;
  stop: () => Promise<void>;
}

export interface System {
  name: string;
  title: string;
  wire: Wire;
  /** With these settings beside the defaults. */
  start: (env: Record<string, string>, parts?: SystemParts) => Promise<RunningSystem>;
}

/** Of y-kafka on Kafka. */
export interface SystemParts {
  gateways?: number;
  needsRedis?: boolean;
}

export const SYSTEMS: readonly System[] = [
  {
    name: 'embedded',
    title: 'y-kafka embedded',
    wire: 'y-kafka',
    start: async (env) => {
      const dataDir = await mkdtemp(join(tmpdir(), 'ykafka-bench-'));
      const started = await startChild(
        [
          '--disable-warning=ExperimentalWarning',
          '--v8-pool-size=1',
          join(import.meta.dirname, '../scripts/start.ts'),
        ],
        { env: { PORT: '0', DATA_DIR: dataDir, ...env }, ready: /http:\/\/[\w.:[\]-]+/ },
      );
      const stop = async () => {
        await started.stop();
        await rm(dataDir, { recursive: true, force: true });
      };
      return {
        url: started.match,
        urls: [started.match],
        servers: () => [started.pid],
        helpers: {},
        folders: { data: dataDir },
        stop,
      };
    },
  },
  { name: 'kafka', title: 'y-kafka on Kafka, acks=all', wire: 'y-kafka', start: startOnKafka },
  { name: 'y-websocket', title: 'y-websocket', wire: 'y-websocket', start: () => startPeer('y-websocket') },
  { name: 'hocuspocus', title: 'Hocuspocus', wire: 'hocuspocus', start: () => startPeer('hocuspocus') },
];

/** One broker, one PostgreSQL, one process for each service, by default one gateway. */
async function startOnKafka(
  env: Record<string, string>,
  { gateways = 1, needsRedis = false }: SystemParts = {},
): Promise<RunningSystem> {
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const end of stops.reverse()) await end();
  };
  try {
    const kafka = await startKafka();
    stops.push(() => kafka.stop());
    const postgres = await startPostgres();
    stops.push(() => postgres.stop());
    const redis = needsRedis ? await startRedis() : undefined;
    if (redis) stops.push(() => redis.stop());
    const cluster = await startCluster({
      kafkaBrokers: kafka.brokers,
      databaseUrl: postgres.url,
      gatewayPorts: Array<number>(gateways).fill(0),
      env: { ...env, ...(redis ? { REDIS_URL: redis.url } : {}) },
    });
    stops.push(() => cluster.stop());
    const servers = () => [...cluster.processes.values()].flatMap(({ pid }) => pid ?? []);
    return {
      url: cluster.urls[0]!,
      urls: cluster.urls,
      servers,
      helpers: { Kafka: kafka.pid, PostgreSQL: postgres.pid, ...(redis ? { Redis: redis.pid } : {}) },
      folders: { Kafka: kafka.dataDir, PostgreSQL: postgres.dataDir },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startPeer(name: string): Promise<RunningSystem> {
  const [port] = await freePorts(1);
  const script = join(import.meta.dirname, `peers/${name}.js`);
  const started = await startChild([script, String(port)], { env: {}, ready: /running/ });
  return {
    url: `http://127.0.0.1:${port}`,
    urls: [`http://127.0.0.1:${port}`],
    servers: () => [started.pid],
    helpers: {},
    folders: {},
    stop: started.stop,
  };
}

interface StartedChild {
  pid: number;
  /** What the expected line matched. */
  match: string;
  stop: () => Promise<void>;
}

function startChild(
  args: readonly string[],
  { env, ready }: { env: Record<string, string>; ready: RegExp },
): Promise<StartedChild> {
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  return new Promise((resolve, reject) => {
    const fail = () => reject(new Error(`${args.at(-1)} did not start:\n${lines.slice(-20).join('\n')}`));
    const timer = setTimeout(fail, START_LIMIT_MS);
    child.once('exit', fail);
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        lines.push(line);
        if (lines.length > 100) lines.shift();
        const match = ready.exec(line)?.[0];
        if (match === undefined) return;
        clearTimeout(timer);
        resolve({ pid: child.pid!, match, stop: () => stopChild(child) });
      });
    }
  });
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 15_000);
  await exited;
  clearTimeout(timer);
}

/** The processes of a system with everything that they have started. */
export const processesOf = (system: RunningSystem) => system.servers().flatMap(withChildren);
