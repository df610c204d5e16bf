import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { startCluster, type Cluster, type ClusterOptions } from '../../scripts/lib/cluster.ts';
import { LogLeaks } from './log-leaks.ts';
import { waitFor } from './wait.ts';

export interface TestCluster extends Cluster {
  databaseUrl: string;
  /** What the processes logged as errors, and deaths that nobody asked for. */
  complaints: string[];
}

function required(name: 'KAFKA_BROKERS' | 'DATABASE_URL'): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run this project through npm test`);
  return value;
}

/** A fresh database beside the run's own, so that test files do not see each other's rows. */
export async function createDatabase(prefix: string): Promise<string> {
  const base = new URL(required('DATABASE_URL'));
  const name = `${prefix}_${randomBytes(6).toString('hex')}`;
  const client = new pg.Client({ connectionString: base.href });
  await client.connect();
  try {
    await client.query(`CREATE DATABASE ${name}`);
  } finally {
    await client.end();
  }
  base.pathname = `/${name}`;
  return base.href;
}

/**
 * All services as processes on the run's Kafka and PostgreSQL, with names and topics of their own. The stop fails when
 * their logs held a token or an address.
 */
export async function startTestCluster(options: Partial<ClusterOptions> = {}): Promise<TestCluster> {
  const id = randomBytes(4).toString('hex');
  const databaseUrl = options.databaseUrl ?? (await createDatabase('cluster'));
  const complaints: string[] = [];
  const leaks = new LogLeaks();
  const complain = (name: string, line: string) => {
    if (/"level":(50|60)/.test(line)) complaints.push(`[${name}] ${line}`);
  };
  const cluster = await startCluster({
    kafkaBrokers: required('KAFKA_BROKERS').split(','),
    gatewayPorts: [0, 0],
    onDeath: (name, state) => complaints.push(`${name} died: ${JSON.stringify(state)}`),
    ...options,
    onLine: (name, line) => {
      leaks.look(line);
      (options.onLine ?? complain)(name, line);
    },
    databaseUrl,
    env: {
      YKAFKA_NAMESPACE: `test-${id}`,
      YKAFKA_TOPIC_PATTERN: `t${id}-{channel}`,
      PARTITIONS: '4',
      YKAFKA_TOPIC_POLL_MS: '500',
      ...options.env,
    },
  });
  try {
    if (options.env?.AUTH === 'accounts') await findAccounts(cluster.urls);
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  const stop = async () => {
    await cluster.stop();
    leaks.check();
  };
  return { ...cluster, stop, databaseUrl, complaints };
}

/** A gateway is ready without them, and hears of a process that has come a moment after that is ready. */
export async function findAccounts(urls: readonly string[]): Promise<void> {
  const areFound = async (url: string) => (await fetch(`${url}/api/auth/providers`)).status === 200;
  await waitFor(async () => (await Promise.all(urls.map(areFound))).every(Boolean), {
    timeoutMs: 60_000,
    what: 'the gateways find the accounts',
  });
}
