import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { startKafkaCluster, type RunningKafkaCluster } from '../../scripts/dev/kafka-cluster.ts';
import { partitionOf } from '../../lib/stream/partitions.ts';
import type { Stream } from '../../lib/stream/port.ts';
import { openAdmin, openStream } from '../kafka/support/kafka-harness.ts';
import { startTestCluster, type TestCluster } from '../support/cluster.ts';
import { gatherAndJudge, untilQuiet } from '../support/recording/gather.ts';
import { StoreReader } from '../support/recording/read-store.ts';
import { RecordingClient } from '../support/recording/recording-client.ts';
import { waitFor } from '../support/wait.ts';

// Brokers that die and come back; every wait inside has a deadline of its own.
jest.setTimeout(900_000);

const ROOMS = ['busy', 'other', 'third'];
const CLIENTS_OF_A_ROOM = 3;
const PARTITIONS = 4;
const APPEND_TIMEOUT_MS = 5_000;
/** On a busy machine timers come late, and a nack waits in the outbox like everything else. */
const LATE_MS = 5_000;
const TYPING_MS = 150;
const TOPIC_PATTERN = 'three-{channel}';

describe('three brokers, three copies, two of them in sync', () => {
  let kafka: RunningKafkaCluster;
  let cluster: TestCluster;
  let stream: Stream;
  let store: StoreReader;

  beforeAll(async () => {
    kafka = await startKafkaCluster(3);
    cluster = await startTestCluster({
      kafkaBrokers: kafka.brokers,
      replicas: { persister: 2 },
      env: {
        YKAFKA_TOPIC_PATTERN: TOPIC_PATTERN,
        PARTITIONS: String(PARTITIONS),
        YKAFKA_REPLICATION_FACTOR: '3',
        YKAFKA_MIN_INSYNC_REPLICAS: '2',
        YKAFKA_APPEND_TIMEOUT_MS: String(APPEND_TIMEOUT_MS),
      },
    });
    stream = await openStream(kafka.brokers, { requestRetryMs: 30_000 });
    store = new StoreReader(cluster.databaseUrl);
  });

  afterAll(async () => {
    await Promise.all([stream?.close(), store?.close(), cluster?.stop()]);
    await kafka?.stop();
  });

  async function leaderOf(room: string): Promise<number> {
    const partition = partitionOf('default', room, PARTITIONS);
    const admin = await openAdmin(kafka.brokers);
    try {
      const { topics } = await admin.fetchTopicMetadata({ topics: ['three-doc'] });
      return topics[0]!.partitions.find(({ partitionId }) => partitionId === partition)!.leader;
    } finally {
      await admin.disconnect();
    }
  }

  it('lose nothing that was acked when the leader of a busy partition dies, and then a second broker', async () => {
    const clients = ROOMS.flatMap((room) =>
      Array.from({ length: CLIENTS_OF_A_ROOM }, (_, at) => {
        const urls = at % 2 === 0 ? cluster.urls : [...cluster.urls].reverse();
        return new RecordingClient({ urls, room, name: `${room}${at}` });
      }),
    );
    let typing: NodeJS.Timeout | undefined;
    /** Every client gets so many more acks than it has now. */
    const untilAcked = (count: number, what: string) => {
      const before = clients.map(({ acks }) => acks.length);
      return waitFor(() => clients.every(({ acks }, at) => acks.length >= before[at]! + count), {
        timeoutMs: 90_000,
        what,
      });
    };
    try {
      await waitFor(() => clients.every(({ isSynced }) => isSynced), {
        timeoutMs: 60_000,
        what: 'all joined',
      });
      typing = setInterval(() => clients.forEach((client) => client.edit(Math.random)), TYPING_MS);
      await untilAcked(20, 'all type');

      const first = await leaderOf('busy');
      await kafka.node(first).kill('SIGKILL');
      await untilAcked(50, 'acks come without the first broker');

      const second = await leaderOf('busy');
      expect(second).not.toBe(first);
      for (const client of clients) client.nacks.length = 0;
      await kafka.node(second).kill('SIGKILL');
      await waitFor(() => clients.every(({ nacks }) => nacks.length > 0), {
        timeoutMs: 6 * APPEND_TIMEOUT_MS,
        what: 'every client is told that its updates are not known durable',
      });
      const nacks = clients.flatMap((client) => client.nacks);
      expect(nacks.filter(({ permanent }) => permanent)).toEqual([]);
      expect(Math.max(...nacks.map(({ afterMs }) => afterMs))).toBeLessThan(APPEND_TIMEOUT_MS + LATE_MS);
      expect(clients.every(({ hasUnacked }) => hasUnacked)).toBe(true);
      expect([...cluster.processes.values()].every(({ isRunning }) => isRunning)).toBe(true);

      await kafka.node(second).restart();
      await untilAcked(20, 'acks come again with two brokers');
      await kafka.node(first).restart();
      await untilAcked(20, 'acks come with three brokers');

      clearInterval(typing);
      await untilQuiet(clients, 90_000);
      const acks = clients.flatMap((client) => client.acks);
      const verdict = await gatherAndJudge({
        urls: cluster.urls,
        clients,
        acks,
        rooms: ROOMS,
        stream,
        store,
        docTopic: 'three-doc',
        partitions: PARTITIONS,
      });
      expect(verdict.violations).toEqual([]);
      expect(verdict).toMatchObject({ lost: 0, quarantined: 0, acked: acks.length });
      expect(clients.flatMap(({ complaints }) => complaints)).toEqual([]);
      expect(cluster.complaints.filter((line) => line.includes('died'))).toEqual([]);
    } finally {
      clearInterval(typing);
      for (const client of clients) client.close();
    }
  });
});
