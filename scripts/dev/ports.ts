import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, open, readFile, stat, utimes } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const HOST = '127.0.0.1';

const [LOWEST, HIGHEST] = [20_000, 32_000];
/** Where the ports of outgoing connections begin, on Linux. */
const OUTGOING = '/proc/sys/net/ipv4/ip_local_port_range';
/** A file for each port that was given out. */
const GIVEN = join(tmpdir(), 'y-kafka-ports');
/** So long nobody else is given a port: what asked for it may not listen yet, or be about to be started again. */
const HELD_MS = 30 * 60_000;

/**
 * Free TCP ports of the loopback interface, below the range of outgoing connections: a client that tries to
 * reach a stopped broker on a port of that range may get it as its own, connect to itself and keep the broker out.
 * No port is given to two processes at a time.
 */
export async function freePorts(count: number): Promise<number[]> {
  await mkdir(GIVEN, { recursive: true });
  const [lowest, highest] = await portRange();
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = randomInt(lowest, highest);
    if (!ports.has(port) && (await isFree(port)) && (await isOurs(port))) ports.add(port);
  }
  return [...ports];
}

async function portRange(): Promise<[number, number]> {
  const outgoing = Number((await readFile(OUTGOING, 'utf8').catch(() => '')).split(/\s/)[0]);
  // Elsewhere, or where all are outgoing ones, there is nothing better.
  if (!(outgoing >= 10_000)) return [LOWEST, HIGHEST];
  const highest = Math.min(HIGHEST, outgoing);
  return [Math.min(LOWEST, highest - 5_000), highest];
}

/** Whether nobody was given it lately; then it is held. */
async function isOurs(port: number): Promise<boolean> {
  const file = join(GIVEN, String(port));
  try {
    await (await open(file, 'wx')).close();
    return true;
  } catch (error) {
    // Of another user: then nothing can be held.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return true;
  }
  const { mtimeMs } = await stat(file);
  if (Date.now() - mtimeMs < HELD_MS) return false;
  const now = new Date();
  await utimes(file, now, now).catch(() => undefined); // of another user
  return true;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, HOST);
    await once(server, 'listening');
    return true;
  } catch {
    return false; // in use
  } finally {
    server.close();
  }
}
