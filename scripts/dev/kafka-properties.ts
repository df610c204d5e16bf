import { randomBytes } from 'node:crypto';
import { HOST } from './ports.ts';

export interface KafkaOptions {
  /** Kept after `stop()` when given; else a temporary folder that goes with the broker. */
  dataDir?: string;
  /** Of the clients' listener; a free one by default. */
  port?: number;
  controllerPort?: number;
  /** For several brokers: the id of this one, all controllers as `id@host:port`, the cluster they form. */
  nodeId?: number;
  voters?: readonly string[];
  clusterId?: string;
  /** Of the internal topics (offsets, transactions). */
  replicationFactor?: number;
  /** Further lines of server.properties; they win. */
  properties?: Readonly<Record<string, string | number>>;
  maxHeapMb?: number;
  /** Compiles less: ready with two thirds of the work, a little slower afterwards. Default true; false for benches. */
  isQuickStart?: boolean;
}

/** The text of server.properties. */
export function serverProperties(
  options: KafkaOptions,
  where: { port: number; controllerPort: number; logDir: string },
): string {
  const { nodeId = 1, replicationFactor = 1 } = options;
  const voters = options.voters ?? [`${nodeId}@${HOST}:${where.controllerPort}`];
  const properties: Record<string, string | number> = {
    'process.roles': 'broker,controller',
    'node.id': nodeId,
    'controller.quorum.voters': voters.join(','),
    'controller.listener.names': 'CONTROLLER',
    listeners: `PLAINTEXT://${HOST}:${where.port},CONTROLLER://${HOST}:${where.controllerPort}`,
    'advertised.listeners': `PLAINTEXT://${HOST}:${where.port}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'log.dirs': where.logDir,
    'auto.create.topics.enable': 'false',
    'group.initial.rebalance.delay.ms': 0,
    'offsets.topic.num.partitions': 4,
    'offsets.topic.replication.factor': replicationFactor,
    'transaction.state.log.num.partitions': 4,
    'transaction.state.log.replication.factor': replicationFactor,
    'transaction.state.log.min.isr': Math.max(1, replicationFactor - 1),
    'share.coordinator.state.topic.num.partitions': 1,
    'share.coordinator.state.topic.replication.factor': replicationFactor,
    'share.coordinator.state.topic.min.isr': Math.max(1, replicationFactor - 1),
    // A killed broker is taken for dead, and its next life let in, sooner than after the default of 9 s.
    'broker.session.timeout.ms': 3000,
    'broker.heartbeat.interval.ms': 500,
    'num.network.threads': 2,
    'num.io.threads': 4,
    'log.cleaner.dedupe.buffer.size': 16 * 1024 * 1024,
    ...options.properties,
  };
  return Object.entries(properties)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');
}

/** 16 random bytes as Kafka writes a uuid. A leading `-` would be read as an option by its own tools. */
export function randomClusterId(): string {
  for (;;) {
    const id = randomBytes(16).toString('base64url');
    if (!id.startsWith('-')) return id;
  }
}
