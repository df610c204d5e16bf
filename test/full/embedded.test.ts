import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, jest } from '@jest/globals';
import { freePorts } from '../../scripts/dev/kafka.ts';
import { readRoom, replayTrace } from '../../scripts/lib/replay.ts';
import { readTrace } from '../../scripts/lib/trace.ts';
import { startServerProcess, type StartedServer } from '../support/start-process.ts';

// Whole sessions with restarts; every wait inside has a deadline of its own.
jest.setTimeout(900_000);

const DATA = join(import.meta.dirname, '../data');
const KILLS = 10;

const folders: string[] = [];
async function freshStart() {
  const dataDir = await mkdtemp(join(tmpdir(), 'ykafka-full-'));
  folders.push(dataDir);
  const [port] = (await freePorts(1)) as [number];
  return { dataDir, port };
}
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));

describe('the embedded server', () => {
  it.each([
    ['friendsforever', 'friendsforever.json.gz', undefined],
    ['the first 20,000 edits of automerge-paper', 'automerge-paper.json.gz', 20_000],
  ])('replays %s, and has the same text after a restart', async (_, file, limit) => {
    const start = await freshStart();
    const trace = await readTrace(join(DATA, file));
    let server = await startServerProcess(start);
    try {
      const result = await replayTrace({
        urls: [server.url],
        trace,
        room: 'replay',
        ...(limit && { limit }),
      });
      expect(result.difference).toBeUndefined();
      const before = await readRoom({ url: server.url, room: 'replay' });
      expect(await server.stop()).toBe(0);
      server = await startServerProcess(start);
      const after = await readRoom({ url: server.url, room: 'replay' });
      expect(after.text.length).toBeGreaterThan(1_000);
      expect(after.text).toBe(before.text);
    } finally {
      await server.stop();
    }
  });

  it(`keeps every acked update over ${KILLS} kills in the middle of a replay`, async () => {
    const start = await freshStart();
    const trace = await readTrace(join(DATA, 'friendsforever.json.gz'));
    let server: StartedServer = await startServerProcess(start);
    let kills = 0;
    let acked = 0;
    let killing: Promise<void> | undefined;
    const total = trace.transactions.length;
    try {
      const result = await replayTrace({
        urls: [server.url],
        trace,
        room: 'killed',
        onProgress: (progress) => {
          acked = progress.acked;
          // In the first half: a server that takes its time to come back leaves enough for the next kill.
          const isDue = acked > ((kills + 1) * total) / (2 * KILLS + 2);
          if (!isDue || kills === KILLS || killing) return;
          kills++;
          killing = (async () => {
            await server.kill();
            server = await startServerProcess(start);
            killing = undefined;
          })();
        },
      });
      await killing;
      expect(kills).toBe(KILLS);
      expect(result.difference).toBeUndefined();
      expect(acked).toBe(total);
      // Once more, without the clients that could send something again.
      await server.kill();
      server = await startServerProcess(start);
      expect((await readRoom({ url: server.url, room: 'killed' })).text).toBe(trace.endContent);
    } finally {
      await killing;
      await server.stop();
    }
  });
});
