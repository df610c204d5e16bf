import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { chown, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { freePorts } from './ports.ts';

const HOST = '127.0.0.1';
const READY_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 30_000;
const POLL_MS = 50;
/** What the server says while children of a killed one are still there. */
const HELD_BY_CHILDREN = /shared memory|already exists/;

export interface PostgresOptions {
  /** Kept after `stop()` when given; else a temporary folder that goes with the server. */
  dataDir?: string;
  /** A free one by default. */
  port?: number;
  /** Further settings of the server, e.g. `{ fsync: 'off' }`. */
  settings?: Readonly<Record<string, string | number>>;
}

export interface RunningPostgres {
  readonly url: string;
  readonly port: number;
  readonly dataDir: string;
  readonly logFile: string;
  /** Of the process that runs now; another one after `restart()`. */
  readonly pid: number;
  /** Ends it without waiting for clients; removes a temporary data folder. Idempotent. */
  stop(): Promise<void>;
  /** Sends the signal; SIGKILL resolves when the process is gone. The data stays. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same port and data, after stopping it if it runs; resolves when it is ready. */
  restart(): Promise<void>;
}

interface Setup {
  bin: string;
  cluster: string;
  logFile: string;
  port: number;
  user: { uid: number; gid: number } | Record<string, never>;
  settings: Readonly<Record<string, string | number>>;
}

/** Starts a private PostgreSQL on the loopback interface; resolves when it answers. Needs no password. */
export async function startPostgres(options: PostgresOptions = {}): Promise<RunningPostgres> {
  const { setup, dataDir } = await prepare(options);
  const removeData = async () => {
    if (options.dataDir === undefined)
      await rm(dataDir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  };
  let running = await launch(setup).catch(async (error: unknown) => {
    await removeData();
    throw error;
  });
  const stopProcess = async () => {
    running.child.kill('SIGINT'); // "fast": open transactions are rolled back
    if (!(await exitsWithin(running.child, STOP_TIMEOUT_MS))) running.child.kill('SIGKILL');
    await hasExited(running.child);
    running.guard.kill('SIGKILL');
  };
  return {
    url: `postgresql://postgres@${HOST}:${setup.port}/postgres`,
    port: setup.port,
    dataDir,
    logFile: setup.logFile,
    get pid() {
      return running.child.pid ?? 0;
    },
    async stop() {
      await stopProcess();
      await removeData();
    },
    async kill(signal) {
      running.child.kill(signal);
      if (signal === 'SIGKILL') await hasExited(running.child);
    },
    async restart() {
      await stopProcess();
      running = await launch(setup);
    },
  };
}

/** The PostgreSQL that DATABASE_URL names, or a private one that `stop()` ends. */
export async function ensurePostgres(
  options: PostgresOptions = {},
): Promise<{ url: string; stop(): Promise<void> }> {
  const given = process.env.DATABASE_URL;
  return given ? { url: given, stop: async () => undefined } : startPostgres(options);
}

/** Whether the tests that need PostgreSQL can run: DATABASE_URL is set, or a server can be started here. */
export function postgresAvailable(): boolean {
  return Boolean(process.env.DATABASE_URL) || (findBin() !== undefined && serverUser() !== undefined);
}

/** Folder of `initdb` and `postgres`: asked of pg_config, or where Debian keeps it outside of the PATH. */
function findBin(): string | undefined {
  const asked = spawnSync('pg_config', ['--bindir'], { encoding: 'utf8' }).stdout?.trim();
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  return [asked ?? '', ...versions.map((version) => join(debian, version, 'bin'))].find(
    (bin) => bin !== '' && existsSync(join(bin, 'initdb')) && existsSync(join(bin, 'postgres')),
  );
}

/** PostgreSQL refuses to run as root: then it runs as the user of the system's own server, or as nobody. */
function serverUser(): Setup['user'] | undefined {
  if (process.getuid?.() !== 0) return {};
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const found = users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody');
  return found && { uid: Number(found[2]), gid: Number(found[3]) };
}

async function prepare(options: PostgresOptions): Promise<{ setup: Setup; dataDir: string }> {
  const bin = findBin();
  const user = serverUser();
  if (bin === undefined || user === undefined) throw new Error('PostgreSQL is not installed here.');
  const dataDir = options.dataDir ? resolve(options.dataDir) : await mkdtemp(join(tmpdir(), 'y-kafka-pg-'));
  await mkdir(dataDir, { recursive: true });
  if (user.uid !== undefined) await chown(dataDir, user.uid, user.gid);
  const setup: Setup = {
    bin,
    user,
    cluster: join(dataDir, 'cluster'),
    logFile: join(dataDir, 'server.log'),
    port: options.port || (await freePorts(1))[0]!,
    settings: options.settings ?? {},
  };
  if (!existsSync(join(setup.cluster, 'PG_VERSION'))) initialise(setup);
  return { setup, dataDir };
}

function initialise({ bin, cluster, user }: Setup): void {
  const args = ['-D', cluster, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'];
  const done = spawnSync(join(bin, 'initdb'), args, { ...user, cwd: '/', encoding: 'utf8' });
  if (done.status !== 0)
    throw new Error(`PostgreSQL cannot make its data in ${cluster}: ${done.stderr ?? ''}${done.error ?? ''}`);
}

interface Running {
  child: ChildProcess;
  guard: ChildProcess;
}

/** Starts the server; again if the children of one that was killed still hold the shared memory. */
async function launch(setup: Setup): Promise<Running> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  for (;;) {
    const running = spawnServer(setup);
    if (await untilReady(setup, running.child, deadline)) return running;
    running.child.kill('SIGKILL');
    running.guard.kill('SIGKILL');
    const log = await logTail(setup);
    if (performance.now() > deadline || !HELD_BY_CHILDREN.test(log))
      throw new Error(`PostgreSQL did not start.\n${log}`);
    await pause();
  }
}

function spawnServer(setup: Setup): Running {
  const settings = {
    listen_addresses: HOST,
    unix_socket_directories: '',
    fsync: 'on',
    max_connections: 200,
    ...setup.settings,
  };
  const flags = Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]);
  const log = openSync(setup.logFile, 'a');
  // A group of its own: Ctrl-C reaches the starter, which then stops the server in order.
  const child = spawn(
    join(setup.bin, 'postgres'),
    ['-D', setup.cluster, '-p', String(setup.port), ...flags],
    { ...setup.user, cwd: '/', detached: true, stdio: ['ignore', log, log] },
  );
  closeSync(log);
  return { child, guard: guardOf(child.pid ?? 0) };
}

/** Ends the server when this process ends in whatever way: its end closes the pipe that the guard reads. */
function guardOf(pid: number): ChildProcess {
  const guard = spawn('sh', ['-c', 'cat >/dev/null; kill -QUIT "$1"', 'guard', String(pid)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  guard.unref();
  (guard.stdin as unknown as { unref?: () => void }).unref?.();
  return guard;
}

const pause = () => new Promise((done) => setTimeout(done, POLL_MS));

function isOver(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

async function hasExited(child: ChildProcess): Promise<void> {
  if (!isOver(child)) await once(child, 'exit');
}

async function exitsWithin(child: ChildProcess, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (!isOver(child)) {
    if (performance.now() > deadline) return false;
    await pause();
  }
  return true;
}

/** True when it takes connections; false when it has ended or the deadline has passed. */
async function untilReady(setup: Setup, child: ChildProcess, deadline: number): Promise<boolean> {
  while (!isOver(child) && performance.now() < deadline) {
    const asked = spawn(join(setup.bin, 'pg_isready'), ['-q', '-h', HOST, '-p', String(setup.port)]);
    const [code] = (await once(asked, 'exit')) as [number | null];
    if (code === 0) return true;
    await pause();
  }
  return false;
}

async function logTail(setup: Setup): Promise<string> {
  const text = await readFile(setup.logFile, 'utf8').catch(() => '');
  return text.split('\n').slice(-30).join('\n');
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { port: { type: 'string' }, data: { type: 'string' } } });
  const postgres = await startPostgres({
    ...(values.port ? { port: Number(values.port) } : {}),
    ...(values.data ? { dataDir: values.data } : {}),
  });
  console.log(`DATABASE_URL=${postgres.url}`);
  console.log(`log: ${postgres.logFile}`);
  let stopping = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (stopping) return;
      stopping = true;
      void postgres.stop().then(() => process.exit(0));
    });
  }
}

if (import.meta.main) await main();
