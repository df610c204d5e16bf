import { startKafkaCluster, type RunningKafkaCluster } from '../../scripts/dev/kafka-cluster.ts';
import { partitionOf } from '../../lib/stream/partitions.ts';
import type { Stream } from '../../lib/stream/port.ts';
import { openAdmin, openStream } from '../kafka/support/kafka-harness.ts';
import { startTestCluster, type TestCluster } from './cluster.ts';
import { gatherAndJudge, untilQuiet } from './recording/gather.ts';
import { StoreReader } from './recording/read-store.ts';
import type { TypingRooms } from './recording/typing-rooms.ts';
import { waitFor } from './wait.ts';

const PARTITIONS = 4;
const DOC_TOPIC = 'three-doc';
const QUIET_LIMIT_MS = 120_000;

/** All services on three brokers with three copies, two of them in sync. */
export class ThreeBrokers {
  readonly kafka: RunningKafkaCluster;
  readonly cluster: TestCluster;
  readonly #stream: Stream;
  readonly #store: StoreReader;

  private constructor(kafka: RunningKafkaCluster, cluster: TestCluster, stream: Stream) {
    this.kafka = kafka;
    this.cluster = cluster;
    this.#stream = stream;
    this.#store = new StoreReader(cluster.databaseUrl);
  }

  static async start(env: Record<string, string>): Promise<ThreeBrokers> {
    const kafka = await startKafkaCluster(3);
    try {
      const cluster = await startTestCluster({
        kafkaBrokers: kafka.brokers,
        replicas: { persister: 2 },
        env: {
          YKAFKA_TOPIC_PATTERN: 'three-{channel}',
          PARTITIONS: String(PARTITIONS),
          YKAFKA_REPLICATION_FACTOR: '3',
          YKAFKA_MIN_INSYNC_REPLICAS: '2',
          ...env,
        },
      });
      return new ThreeBrokers(kafka, cluster, await openStream(kafka.brokers, { requestRetryMs: 30_000 }));
    } catch (error) {
      await kafka.stop();
      throw error;
    }
  }

  /** Node id of the broker that leads the partition of a room; another one than led it formerly, if that is given. */
  async leaderOf(room: string, formerly?: number): Promise<number> {
    const partition = partitionOf('default', room, PARTITIONS);
    const admin = await openAdmin(this.kafka.brokers);
    try {
      // Between two leaders it has none, and brokers hear of a new one at different times.
      return await waitFor(
        async () => {
          const { topics } = await admin.fetchTopicMetadata({ topics: [DOC_TOPIC] });
          const { leader } = topics[0]!.partitions.find(({ partitionId }) => partitionId === partition)!;
          return leader > 0 && leader !== formerly ? leader : undefined;
        },
        { timeoutMs: 60_000, intervalMs: 100, what: `a leader of ${room}` },
      );
    } finally {
      await admin.disconnect();
    }
  }

  /** Nobody types any more; everything is acked, stored and compared. */
  async judge(people: TypingRooms, rooms: readonly string[]) {
    const { clients } = people;
    people.stopTyping();
    await untilQuiet(clients, QUIET_LIMIT_MS);
    const acks = clients.flatMap((client) => client.acks);
    const verdict = await gatherAndJudge({
      urls: this.cluster.urls,
      clients,
      acks,
      rooms,
      stream: this.#stream,
      store: this.#store,
      docTopic: DOC_TOPIC,
      partitions: PARTITIONS,
    });
    return { verdict, ackedUpdates: acks.length };
  }

  async stop(): Promise<void> {
    await Promise.all([this.#stream.close(), this.#store.close(), this.cluster.stop()]);
    await this.kafka.stop();
  }
}
