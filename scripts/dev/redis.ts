import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts, HOST } from './ports.ts';

const READY_TIMEOUT_MS = 60_000;
const POLL_MS = 20;

export interface RunningRedis {
  readonly url: string;
  readonly pid: number;
  /** SIGSTOP freezes it, SIGCONT lets it go on. */
  signal(signal: NodeJS.Signals): void;
  /** Ends it and what it holds. Idempotent. */
  stop(): Promise<void>;
}

/** Whether the tests that need Redis can run: `redis-server` is installed. */
export function redisAvailable(): boolean {
  return spawnSync('redis-server', ['--version']).status === 0;
}

/** Starts a private Redis on a free port of the loopback interface, in memory only; resolves when it answers. */
export async function startRedis(): Promise<RunningRedis> {
  const folder = await mkdtemp(join(tmpdir(), 'y-kafka-redis-'));
  const [port] = await freePorts(1);
  const settings = [
    '--port',
    String(port),
    '--bind',
    HOST,
    '--dir',
    folder,
    '--save',
    '',
    '--appendonly',
    'no',
  ];
  const child = spawn('redis-server', settings, { stdio: 'ignore' });
  const guard = guardOf(child.pid ?? 0);
  const stop = async () => {
    const isOver = child.exitCode !== null || child.signalCode !== null;
    const exited = isOver ? undefined : once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
    guard.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  };
  const deadline = performance.now() + READY_TIMEOUT_MS;
  while (!(await answers(port!))) {
    if (child.exitCode !== null || performance.now() > deadline) {
      await stop();
      throw new Error('Redis did not start.');
    }
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
  return {
    url: `redis://${HOST}:${port}`,
    pid: child.pid!,
    signal: (signal) => void child.kill(signal),
    stop,
  };
}

/** Ends the server when this process ends in whatever way: its end closes the pipe that the guard reads. */
function guardOf(pid: number): ChildProcess {
  const guard = spawn('sh', ['-c', 'cat >/dev/null; kill -KILL "$1"', 'guard', String(pid)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  guard.unref();
  (guard.stdin as unknown as { unref?: () => void }).unref?.();
  return guard;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, HOST, () => socket.write('PING\r\n'));
    const done = (isReady: boolean) => {
      socket.destroy();
      resolve(isReady);
    };
    socket.once('data', (data) => done(String(data).startsWith('+PONG')));
    socket.once('error', () => done(false));
  });
}
