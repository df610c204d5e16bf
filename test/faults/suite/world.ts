import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startKafka, type RunningKafka } from '../../../scripts/dev/kafka.ts';
import { startPostgres, type RunningPostgres } from '../../../scripts/dev/postgres.ts';
import { freePorts } from '../../../scripts/dev/ports.ts';
import { startCluster, type Cluster } from '../../../scripts/lib/cluster.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';

const HOST = '127.0.0.1';

export interface Death {
  name: string;
  how: string;
}

/** The whole cluster: Kafka and PostgreSQL of its own, behind a proxy each, and every service as a process. */
export interface World {
  kafka: RunningKafka;
  postgres: RunningPostgres;
  kafkaProxy: TcpProxy;
  postgresProxy: TcpProxy;
  cluster: Cluster;
  /** Without the proxies, for the suite itself. */
  brokers: string[];
  databaseUrl: string;
  docTopic: string;
  partitions: number;
  /** Processes that have ended although the suite did not end them. */
  deaths: Death[];
  /** Processes whose death is ordered: they are not counted as `deaths`. */
  doomed: Set<string>;
  /** What is away and being brought back: no second fault chooses it. */
  away: Set<string>;
  /** Calls back for each line that a process logs, until the returned function is called. */
  onLine(listener: (name: string, line: string) => void): () => void;
  stop(): Promise<void>;
}

export interface WorldOptions {
  onProblem: (text: string) => void;
}

export async function openWorld({ onProblem }: WorldOptions): Promise<World> {
  const stops: (() => Promise<unknown>)[] = [];
  const stop = async () => {
    for (const end of stops.reverse()) await end().catch((error: unknown) => onProblem(String(error)));
    stops.length = 0;
  };
  try {
    const [kafkaProxyPort, postgresProxyPort, ...ports] = (await freePorts(8)) as [
      number,
      number,
      ...number[],
    ];
    const [kafka, postgres] = await Promise.all([
      startProxiedKafka(ports.slice(0, 3), kafkaProxyPort).then((started) => {
        stops.push(() => started.kafka.stop());
        return started;
      }),
      startPostgres().then((started) => {
        stops.push(() => started.stop());
        return started;
      }),
    ]);
    const kafkaProxy = await TcpProxy.open(kafkaProxyPort, kafka.proxiedPort);
    stops.push(() => kafkaProxy.close());
    const postgresProxy = await TcpProxy.open(postgresProxyPort, postgres.port);
    stops.push(() => postgresProxy.close());
    const proxied = new URL(postgres.url);
    proxied.port = String(postgresProxyPort);

    const id = randomBytes(4).toString('hex');
    const listeners = new Set<(name: string, line: string) => void>();
    const deaths: Death[] = [];
    const doomed = new Set<string>();
    const away = new Set<string>();
    const cluster = await startCluster({
      kafkaBrokers: [`${HOST}:${kafkaProxyPort}`],
      databaseUrl: proxied.href,
      gatewayPorts: ports.slice(3, 5),
      replicas: { persister: 2 },
      env: {
        YKAFKA_TEST_FAILPOINTS: '1',
        // Processes are started all the time: a third of the work of a start is reading the sources.
        NODE_COMPILE_CACHE: join(tmpdir(), 'y-kafka-compile-cache'),
        YKAFKA_NAMESPACE: `faults-${id}`,
        YKAFKA_TOPIC_PATTERN: `f${id}-{channel}`,
        PARTITIONS: '4',
        YKAFKA_TOPIC_POLL_MS: '1000',
        // So that snapshots are made and trimmed all the time.
        YKAFKA_SNAPSHOT_UPDATES: '20',
        YKAFKA_SNAPSHOT_AGE_MS: '2000',
        YKAFKA_SNAPSHOT_BURST_MS: '0',
      },
      onLine: (name, line) => listeners.forEach((listener) => listener(name, line)),
      onDeath: (name, { code, signal }) => {
        if (!doomed.has(name)) deaths.push({ name, how: signal ?? `exit code ${code}` });
      },
    });
    stops.push(() => cluster.stop());
    return {
      kafka: kafka.kafka,
      postgres,
      kafkaProxy,
      postgresProxy,
      cluster,
      brokers: kafka.kafka.brokers,
      databaseUrl: postgres.url,
      docTopic: `f${id}-doc`,
      partitions: 4,
      deaths,
      doomed,
      away,
      onLine(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * A broker with a second listener that names the proxy as its address: a client that comes in by the proxy is told
 * to come by the proxy for everything, while whoever comes in by the first listener sees no proxy.
 */
async function startProxiedKafka(ports: readonly number[], proxyPort: number) {
  const [port, proxiedPort, controllerPort] = ports as [number, number, number];
  const kafka = await startKafka({
    port,
    controllerPort,
    properties: {
      listeners: `PLAINTEXT://${HOST}:${port},PROXIED://${HOST}:${proxiedPort},CONTROLLER://${HOST}:${controllerPort}`,
      'advertised.listeners': `PLAINTEXT://${HOST}:${port},PROXIED://${HOST}:${proxyPort}`,
      'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT',
      'inter.broker.listener.name': 'PLAINTEXT',
    },
  });
  return { kafka, proxiedPort };
}
