import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { loadConfig } from '../lib/config.ts';
import { isAppError } from '../lib/errors.ts';
import { buildWeb } from './build-web.ts';
import { startKafka } from './dev/kafka.ts';
import { startPostgres } from './dev/postgres.ts';
import { startCluster, type Cluster } from './lib/cluster.ts';

/** `npm run cluster`: Kafka, PostgreSQL and every service as its own process, on one machine. */
const stops: (() => Promise<void>)[] = [];
let isStopping = false;

async function stopAll(exitCode: number): Promise<void> {
  if (isStopping) return;
  isStopping = true;
  console.log('\nStopping…');
  for (const stop of stops.reverse()) {
    await stop().catch((error: unknown) => {
      console.error('Something did not stop cleanly:', error);
      exitCode = 1;
    });
  }
  process.exit(exitCode);
}

async function components(
  dataDir: string,
): Promise<{ kafkaBrokers: readonly string[]; databaseUrl: string }> {
  const config = loadConfig();
  let { kafkaBrokers, databaseUrl } = config;
  await mkdir(dataDir, { recursive: true });
  if (kafkaBrokers.length === 0) {
    console.log('Starting Kafka (the first time its jars are fetched) …');
    const kafka = await startKafka({ dataDir: join(dataDir, 'kafka') });
    stops.push(() => kafka.stop());
    kafkaBrokers = kafka.brokers;
  }
  if (databaseUrl === '') {
    console.log('Starting PostgreSQL …');
    const postgres = await startPostgres({ dataDir: join(dataDir, 'postgres') });
    stops.push(() => postgres.stop());
    databaseUrl = postgres.url;
  }
  return { kafkaBrokers, databaseUrl };
}

function describe(cluster: Cluster, where: { kafkaBrokers: readonly string[]; databaseUrl: string }): void {
  console.log('\n  y-kafka cluster is running.');
  cluster.urls.forEach((url, index) => console.log(`  gateway ${index + 1}   ${url}`));
  console.log(`  Kafka       ${where.kafkaBrokers.join(', ')}`);
  console.log(`  PostgreSQL  ${where.databaseUrl}`);
  for (const [name, process] of cluster.processes)
    console.log(`  ${name.padEnd(11)} pid ${process.pid}, ${process.internalUrl}/health`);
  console.log(
    `\n  REPL: KAFKA_BROKERS=${where.kafkaBrokers.join(',')} npm run repl\n  Ctrl-C stops all of it.\n`,
  );
}

process.once('SIGINT', () => void stopAll(0));
process.once('SIGTERM', () => void stopAll(0));

try {
  const config = loadConfig();
  // Errors are always shown; whoever sets a log level wants to see what he asked for.
  const showsAll = (process.env.YKAFKA_LOG_LEVEL ?? '') !== '';
  await buildWeb();
  const where = await components(join(config.dataDir, 'cluster'));
  const cluster = await startCluster({
    ...where,
    gatewayPorts: [config.port, config.port === 0 ? 0 : config.port + 1],
    env: ownSettings(),
    onLine: (name, line) => {
      if (showsAll || /"level":(50|60)/.test(line)) console.error(`[${name}] ${line}`);
    },
    onDeath: (name, { code, signal }) => {
      if (!isStopping) console.error(`! ${name} has died (${signal ?? `exit code ${code}`}).`);
    },
  });
  stops.push(() => cluster.stop());
  describe(cluster, where);
} catch (error) {
  console.error(
    `\nThe cluster could not start.\n${isAppError(error) ? error.message : String((error as Error).stack ?? error)}`,
  );
  await stopAll(1);
}

/** What the operator set for y-kafka is handed on to every process. */
function ownSettings(): Record<string, string> {
  const handedOn = /^(YKAFKA_(?!NODE_ID|HEALTH_PORT|MODE)|HOST$|AUTH$|PARTITIONS$|CORS_ORIGINS$|PUBLIC_URL$)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => handedOn.test(name))) as Record<
    string,
    string
  >;
}
