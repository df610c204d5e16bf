import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRuntime, type OpenRuntime } from '../../lib/broker/open-runtime.ts';
import { loadConfig, type Config } from '../../lib/config.ts';
import { silentLogger } from '../../lib/log.ts';
import { fillDatabaseFolder } from './database-folder.ts';

const open: { runtime: OpenRuntime; dataDir: string }[] = [];

/** A runtime on the embedded log and database of a folder of its own. Call `closeRuntimes` in `afterAll`. */
export async function testRuntime(overrides: Partial<Config> = {}): Promise<OpenRuntime> {
  const dataDir = await mkdtemp(join(tmpdir(), 'ykafka-runtime-'));
  await fillDatabaseFolder(dataDir);
  const config = loadConfig(
    {},
    { partitions: 4, logLevel: 'error', ...overrides, dataDir, mode: 'embedded' },
  );
  const runtime = createRuntime({ config, logger: silentLogger, nodeId: 'test' });
  open.push({ runtime, dataDir });
  return runtime;
}

export async function closeRuntimes(): Promise<void> {
  for (const { runtime, dataDir } of open.splice(0)) {
    await runtime.close();
    await rm(dataDir, { recursive: true, force: true });
  }
}
