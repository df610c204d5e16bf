import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { LogLeaks } from './log-leaks.ts';
import { waitFor } from './wait.ts';

const KEPT_CHARACTERS = 64 * 1024;
const ROOT = join(import.meta.dirname, '../..');

export interface StartedServer {
  url: string;
  pid: number;
  /** The end of what it has printed. */
  output(): string;
  /** SIGKILL, and waits for the end. */
  kill(): Promise<void>;
  /** SIGTERM, and waits for the end; resolves with the exit code. */
  stop(): Promise<number | null>;
}

export interface StartOptions {
  dataDir: string;
  port: number;
  env?: Record<string, string>;
}

/** `npm start` as a user's shell runs it: a process of its own. Its end fails when it printed a token or an address. */
export async function startServerProcess({ dataDir, port, env = {} }: StartOptions): Promise<StartedServer> {
  const child = spawn(process.execPath, ['scripts/start.ts'], {
    cwd: ROOT,
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      PORT: String(port),
      DATA_DIR: dataDir,
      PARTITIONS: '4',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const leaks = new LogLeaks();
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (bytes: Buffer) => (output = (output + bytes.toString()).slice(-KEPT_CHARACTERS)));
    createInterface(stream).on('line', (line) => leaks.look(line));
  }
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  const found = await waitFor(() => hasEnded() || /is running: (http:\/\/\S+)\s/.exec(output), {
    timeoutMs: 180_000,
    what: 'the server prints its URL',
  })
    .then(async (match) => {
      if (match !== true) return match;
      throw new Error(`ended with ${await ended}: ${output}`);
    })
    .catch(async (error: unknown) => {
      await end(child, 'SIGKILL', ended);
      throw error;
    });
  return {
    url: found[1]!,
    pid: child.pid!,
    output: () => output,
    kill: async () => {
      await end(child, 'SIGKILL', ended);
      leaks.check();
    },
    stop: async () => {
      const exitCode = await end(child, 'SIGTERM', ended);
      leaks.check();
      return exitCode;
    },
  };
}

async function end(
  child: ChildProcess,
  signal: NodeJS.Signals,
  ended: Promise<number | null>,
): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) child.kill(signal);
  return ended;
}
