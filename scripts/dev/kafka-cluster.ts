import { parseArgs } from 'node:util';
import { startKafka, type KafkaOptions, type RunningKafka } from './kafka.ts';
import { randomClusterId } from './kafka-properties.ts';
import { freePorts, HOST } from './ports.ts';

export interface RunningKafkaCluster {
  /** host:port of every broker. */
  readonly brokers: string[];
  /** In the order of their node ids, which count from 1. */
  readonly nodes: readonly RunningKafka[];
  node(nodeId: number): RunningKafka;
  /** Ends all of them at once: the last ones would wait for a quorum otherwise. Idempotent. */
  stop(): Promise<void>;
}

export type KafkaClusterOptions = Omit<KafkaOptions, 'port' | 'controllerPort' | 'nodeId' | 'voters'>;

/**
 * A KRaft cluster on the loopback interface, each node broker and controller: a majority of them has to run.
 * Topics that nobody configures get as many copies as there are nodes, and need all but one of them.
 */
export async function startKafkaCluster(
  count: number,
  options: KafkaClusterOptions = {},
): Promise<RunningKafkaCluster> {
  const ports = await freePorts(2 * count);
  const nodes = Array.from({ length: count }, (_, at) => ({
    nodeId: at + 1,
    port: ports[at]!,
    controllerPort: ports[count + at]!,
  }));
  const voters = nodes.map(({ nodeId, controllerPort }) => `${nodeId}@${HOST}:${controllerPort}`);
  const shared = {
    clusterId: randomClusterId(),
    replicationFactor: count,
    maxHeapMb: 384,
    ...options,
    voters,
  };
  const properties = {
    'default.replication.factor': count,
    'min.insync.replicas': Math.max(1, count - 1),
    ...options.properties,
  };
  const { dataDir } = options;
  const outcomes = await Promise.allSettled(
    nodes.map((node) =>
      startKafka({
        ...shared,
        ...node,
        properties,
        ...(dataDir !== undefined && { dataDir: `${dataDir}-${node.nodeId}` }),
      }),
    ),
  );
  const started = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  const stop = async () => {
    await Promise.all(started.map((node) => node.stop()));
  };
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed) {
    await stop();
    throw failed.reason;
  }
  return {
    brokers: started.flatMap(({ brokers }) => brokers),
    nodes: started,
    node: (nodeId) => started[nodeId - 1]!,
    stop,
  };
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { nodes: { type: 'string' } } });
  const cluster = await startKafkaCluster(Number(values.nodes ?? 3));
  console.log(`KAFKA_BROKERS=${cluster.brokers.join(',')}`);
  cluster.nodes.forEach(({ pid, logFile }, at) => console.log(`node ${at + 1}: pid ${pid}, log ${logFile}`));
  let isStopping = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (isStopping) return;
      isStopping = true;
      void cluster.stop().then(() => process.exit(0));
    });
  }
}

if (import.meta.main) await main();
