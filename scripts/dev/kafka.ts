import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Admin } from '@platformatic/kafka';
import { canStartKafka, kafkaClassPath } from './kafka-jars.ts';
import { freePorts, HOST } from './ports.ts';
import { randomClusterId, serverProperties, type KafkaOptions } from './kafka-properties.ts';

export type { KafkaOptions } from './kafka-properties.ts';
export { freePorts } from './ports.ts';

const READY_TIMEOUT_MS = 120_000;
const TERM_TIMEOUT_MS = 10_000;
const POLL_MS = 50;

export interface RunningKafka {
  readonly brokers: string[];
  readonly port: number;
  readonly dataDir: string;
  readonly logFile: string;
  /** Of the process that runs now; another one after `restart()`. */
  readonly pid: number;
  /** SIGTERM, SIGKILL after 10 s; removes a temporary data folder. Idempotent. */
  stop(): Promise<void>;
  /** Sends the signal; SIGKILL resolves when the process is gone. The data stays. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same ports and data, after stopping it if it runs; resolves when it is ready. */
  restart(): Promise<void>;
}

interface Setup {
  classPath: string;
  dataDir: string;
  propertiesFile: string;
  logFile: string;
  port: number;
  maxHeapMb: number;
  isQuickStart: boolean;
}

/** Starts one Apache Kafka in KRaft mode on the loopback interface; resolves when it answers. */
export async function startKafka(options: KafkaOptions = {}): Promise<RunningKafka> {
  const setup = await prepare(options);
  let running = launch(setup);
  const stopProcess = async () => {
    running.child.kill('SIGTERM');
    if (!(await exitsWithin(running.child, TERM_TIMEOUT_MS))) running.child.kill('SIGKILL');
    await hasExited(running.child);
    running.guard.kill('SIGKILL');
  };
  const stop = async () => {
    await stopProcess();
    if (options.dataDir === undefined)
      await rm(setup.dataDir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  };
  try {
    await untilReady(setup, running.child);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    brokers: [`${HOST}:${setup.port}`],
    port: setup.port,
    dataDir: setup.dataDir,
    logFile: setup.logFile,
    get pid() {
      return running.child.pid ?? 0;
    },
    stop,
    async kill(signal) {
      running.child.kill(signal);
      if (signal === 'SIGKILL') await hasExited(running.child);
    },
    async restart() {
      await stopProcess();
      running = launch(setup);
      await untilReady(setup, running.child);
    },
  };
}

/** The Kafka that KAFKA_BROKERS names, or a private one that `stop()` ends. */
export async function ensureKafka(
  options: KafkaOptions = {},
): Promise<{ brokers: string[]; stop(): Promise<void> }> {
  const given = brokersOfEnvironment();
  return given.length > 0 ? { brokers: given, stop: async () => undefined } : startKafka(options);
}

/** Whether the tests that need Kafka can run: KAFKA_BROKERS is set, or a broker can be started here. */
export function kafkaAvailable(): boolean {
  return brokersOfEnvironment().length > 0 || canStartKafka();
}

function brokersOfEnvironment(): string[] {
  return (process.env.KAFKA_BROKERS ?? '').split(',').filter((broker) => broker.trim() !== '');
}

async function prepare(options: KafkaOptions): Promise<Setup> {
  const classPath = await kafkaClassPath();
  const [freePort, freeControllerPort] = (await freePorts(2)) as [number, number];
  const port = options.port || freePort;
  const dataDir = options.dataDir ? resolve(options.dataDir) : await mkdtemp(join(tmpdir(), 'y-kafka-'));
  await mkdir(dataDir, { recursive: true });
  const propertiesFile = join(dataDir, 'server.properties');
  const logDir = join(dataDir, 'log');
  const lines = serverProperties(options, {
    port,
    controllerPort: options.controllerPort || freeControllerPort,
    logDir,
  });
  await writeFile(propertiesFile, lines);
  if (!existsSync(join(logDir, 'meta.properties')))
    format(classPath, propertiesFile, options.clusterId ?? randomClusterId());
  const logFile = join(dataDir, 'server.log');
  return {
    classPath,
    dataDir,
    propertiesFile,
    logFile,
    port,
    maxHeapMb: options.maxHeapMb ?? 512,
    isQuickStart: options.isQuickStart ?? true,
  };
}

function format(classPath: string, propertiesFile: string, clusterId: string): void {
  const args = ['-XX:TieredStopAtLevel=1', '-cp', classPath, 'kafka.tools.StorageTool', 'format'];
  const done = spawnSync('java', [...args, '-t', clusterId, '-c', propertiesFile], { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`Kafka's storage cannot be formatted: ${done.stderr}${done.stdout}`);
}

interface Running {
  child: ChildProcess;
  guard: ChildProcess;
}

function launch(setup: Setup): Running {
  const log = openSync(setup.logFile, 'a');
  const args = [
    `-Xmx${setup.maxHeapMb}m`,
    '-XX:MaxGCPauseMillis=20',
    ...(setup.isQuickStart ? ['-XX:TieredStopAtLevel=1'] : []),
    '-Dorg.slf4j.simpleLogger.showDateTime=true',
    '-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS',
    ...['-cp', setup.classPath, 'kafka.Kafka', setup.propertiesFile],
  ];
  // A group of its own: Ctrl-C reaches the starter, which then stops the broker in order.
  const child = spawn('java', args, { detached: true, stdio: ['ignore', log, log] });
  closeSync(log);
  return { child, guard: guardOf(child.pid ?? 0) };
}

/** Kills the broker when this process ends in whatever way: its end closes the pipe that the guard reads. */
function guardOf(pid: number): ChildProcess {
  const guard = spawn('sh', ['-c', 'cat >/dev/null; kill -9 "$1"', 'guard', String(pid)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  guard.unref();
  (guard.stdin as unknown as { unref?: () => void }).unref?.();
  return guard;
}

function isOver(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

async function hasExited(child: ChildProcess): Promise<void> {
  if (!isOver(child)) await once(child, 'exit');
}

async function exitsWithin(child: ChildProcess, timeoutMs: number): Promise<boolean> {
  if (isOver(child)) return true;
  const timer = new AbortController();
  const late = new Promise<false>((done) => {
    const handle = setTimeout(() => done(false), timeoutMs);
    timer.signal.addEventListener('abort', () => clearTimeout(handle));
  });
  const inTime = await Promise.race([hasExited(child).then(() => true), late]);
  timer.abort();
  return inTime;
}

/** Ready = the broker answers and names itself among the brokers (it is no longer fenced). */
async function untilReady(setup: Setup, child: ChildProcess): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  for (;;) {
    if (isOver(child)) throw new Error(`Kafka has ended while starting.\n${await logTail(setup)}`);
    if (await answers(setup.port)) return;
    if (performance.now() > deadline)
      throw new Error(`Kafka was not ready in time.\n${await logTail(setup)}`);
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
}

async function answers(port: number): Promise<boolean> {
  const admin = new Admin({
    clientId: 'start',
    bootstrapBrokers: [`${HOST}:${port}`],
    retries: 0,
    connectTimeout: 1000,
    requestTimeout: 2000,
  });
  try {
    const { brokers } = await admin.metadata({ topics: [] });
    return [...brokers.values()].some((broker) => broker.port === port);
  } catch {
    return false; // not listening yet, or not able to answer yet
  } finally {
    await admin.close();
  }
}

async function logTail(setup: Setup): Promise<string> {
  const text = await readFile(setup.logFile, 'utf8').catch(() => '');
  return text.split('\n').slice(-30).join('\n');
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { port: { type: 'string' }, data: { type: 'string' } } });
  const kafka = await startKafka({
    ...(values.port ? { port: Number(values.port) } : {}),
    ...(values.data ? { dataDir: values.data } : {}),
  });
  console.log(`KAFKA_BROKERS=${kafka.brokers.join(',')}`);
  console.log(`log: ${kafka.logFile}`);
  let stopping = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (stopping) return;
      stopping = true;
      void kafka.stop().then(() => process.exit(0));
    });
  }
}

if (import.meta.main) await main();
