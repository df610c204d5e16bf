import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { freePorts } from '../../scripts/dev/kafka.ts';
import { fillDatabaseFolder } from '../support/database-folder.ts';
import { startServerProcess } from '../support/start-process.ts';

const ROOT = join(import.meta.dirname, '../..');
const RUNNER = 'node_modules/moleculer/bin/moleculer-runner.mjs';

const folders: string[] = [];
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));

async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'ykafka-start-'));
  folders.push(made);
  return made;
}

/** Runs a command to its end and gives its exit code and what it printed. */
function run(args: string[], env: Record<string, string>): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const { PATH, HOME } = process.env;
    const child = spawn(process.execPath, args, { cwd: ROOT, env: { PATH, HOME, ...env }, timeout: 180_000 });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (bytes: Buffer) => (output += bytes.toString()));
    child.once('error', reject);
    // Not `exit`: what it has printed may still be on its way then.
    child.once('close', (code) => resolve({ code, output }));
  });
}

const BAD = { PORT: 'http', PARTITIONS: '0', AUTH: 'maybe', YKAFKA_PARTITONS: '4' };

describe('a start with a bad configuration', () => {
  it.each([
    ['npm start', ['scripts/start.ts']],
    ['npm run cluster', ['scripts/cluster.ts']],
    ['a service', [RUNNER, '--config', 'moleculer.config.ts', 'services/codec.service.ts']],
  ])('%s lists every bad variable at once and exits with 1', async (_, args) => {
    const { code, output } = await run(args, { ...BAD, DATA_DIR: await folder() });
    expect(code).toBe(1);
    for (const name of Object.keys(BAD)) expect(output).toContain(name);
    expect(output).not.toMatch(/^\s+at /m);
  });
});

describe('a start that cannot succeed', () => {
  it('says that the port is taken, and that the data folder is in use; the first server goes on', async () => {
    const dataDir = await folder();
    const [port, other] = (await freePorts(2)) as [number, number];
    const server = await startServerProcess({ dataDir, port });
    try {
      const sameData = await run(['scripts/start.ts'], {
        PORT: String(other),
        DATA_DIR: dataDir,
        PARTITIONS: '4',
      });
      expect(sameData.code).toBe(1);
      expect(sameData.output).toMatch(/Another process uses .*DATA_DIR/);
      const samePort = await run(['scripts/start.ts'], {
        PORT: String(port),
        DATA_DIR: await folder(),
        PARTITIONS: '4',
      });
      expect(samePort.code).toBe(1);
      expect(samePort.output).toContain(String(port));
      expect(samePort.output).not.toMatch(/^\s+at /m);
      expect((await fetch(`${server.url}/health/ready`)).status).toBe(200);
    } finally {
      expect(await server.stop()).toBe(0);
    }
  });

  it('refuses another number of partitions than the data folder was made with', async () => {
    const dataDir = await folder();
    await fillDatabaseFolder(dataDir);
    const [port] = (await freePorts(1)) as [number];
    await (await startServerProcess({ dataDir, port })).stop();
    const { code, output } = await run(['scripts/start.ts'], {
      PORT: String(port),
      DATA_DIR: dataDir,
      PARTITIONS: '8',
    });
    expect(code).toBe(1);
    expect(output).toMatch(/has 4 partitions, the configuration asks for 8\. Set PARTITIONS=4/);
    expect(output).not.toMatch(/^\s+at /m);
  });
});
