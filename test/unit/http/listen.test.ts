import { createServer } from 'node:http';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { assertListenable, listen } from '../../../lib/http/listen.ts';
import { loadConfig } from '../../../lib/config.ts';
import { silentLogger } from '../../../lib/log.ts';
import { startEmbedded } from '../../../scripts/lib/embedded.ts';

async function withTakenPort(work: (port: number) => Promise<void>): Promise<void> {
  const server = createServer();
  try {
    await work(await listen(server, '127.0.0.1', 0));
  } finally {
    server.close();
  }
}

describe('an address that is taken', () => {
  it('is refused in words, a free one is left free', async () => {
    let free = 0;
    await withTakenPort(async (port) => {
      free = port;
      await expect(assertListenable('127.0.0.1', port)).rejects.toMatchObject({
        type: 'BAD_CONFIG',
        message: expect.stringContaining('another process listens there'),
      });
    });
    await assertListenable('127.0.0.1', free);
    const server = createServer();
    expect(await listen(server, '127.0.0.1', free)).toBe(free);
    server.close();
  });

  it('stops an embedded server before it opens its data folder', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'ykafka-listen-'));
    await withTakenPort(async (port) => {
      const config = loadConfig({}, { mode: 'embedded', port, dataDir });
      await expect(startEmbedded({ config, logger: silentLogger })).rejects.toMatchObject({
        type: 'BAD_CONFIG',
      });
    });
    expect(await readdir(dataDir)).toEqual([]);
    await rm(dataDir, { recursive: true });
  });
});
