import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig, type Config } from '../../lib/config.ts';
import { createLogger, type Logger } from '../../lib/log.ts';
import {
  startEmbedded as start,
  type EmbeddedOptions,
  type EmbeddedServer,
} from '../../scripts/lib/embedded.ts';
import { fillDatabaseFolder } from './database-folder.ts';
import { LogLeaks } from './log-leaks.ts';

export interface TestServer extends EmbeddedServer {
  dataDir: string;
}

const servers: TestServer[] = [];
const folders: string[] = [];
const leaks = new LogLeaks();

/**
 * A whole server on a free port of loopback with its own data folder (or the one given). Test files call
 * `stopServers` in `afterAll`; it fails when a server's log held a token or an address.
 */
export async function startEmbedded(
  overrides: Partial<Config> = {},
  options: Omit<EmbeddedOptions, 'config' | 'logger'> & { logger?: Logger } = {},
): Promise<TestServer> {
  const dataDir = overrides.dataDir ?? (await mkdtemp(join(tmpdir(), 'ykafka-test-')));
  if (overrides.dataDir === undefined) folders.push(dataDir);
  await fillDatabaseFolder(dataDir);
  const config = loadConfig(
    {},
    { port: 0, logLevel: 'error', partitions: 4, ...overrides, dataDir, mode: 'embedded' },
  );
  const logger = leaks.watch(options.logger ?? createLogger(config.logLevel));
  const server = { ...(await start({ ...options, config, logger })), dataDir };
  servers.push(server);
  return server;
}

export async function stopServers(): Promise<void> {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true })));
  leaks.check();
}
