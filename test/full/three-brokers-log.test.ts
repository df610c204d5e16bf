import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { startKafkaCluster, type RunningKafkaCluster } from '../../scripts/dev/kafka-cluster.ts';
import { isAppError } from '../../lib/errors.ts';
import type { Stream } from '../../lib/stream/port.ts';
import { openAdmin, openStream } from '../kafka/support/kafka-harness.ts';
import { consumeAll, followAll, record, Seen, Writer } from '../kafka/support/log-load.ts';
import { waitFor } from '../support/wait.ts';

// Brokers that die and come back; every wait inside has a deadline of its own.
jest.setTimeout(900_000);

const PARTITIONS = 6;
const APPEND_TIMEOUT_MS = 5_000;
/** On a busy machine a timer and an election come late. */
const LATE_MS = 8_000;

describe('the log on three brokers', () => {
  let kafka: RunningKafkaCluster;
  const streams: Stream[] = [];

  const open = async () => {
    const opened = await openStream(kafka.brokers, {
      replicationFactor: 3,
      minInsyncReplicas: 2,
      appendTimeoutMs: APPEND_TIMEOUT_MS,
    });
    streams.push(opened);
    return opened;
  };

  beforeAll(async () => {
    kafka = await startKafkaCluster(3);
  });

  afterAll(async () => {
    await Promise.all(streams.map((stream) => stream.close()));
    await kafka?.stop();
  });

  async function leaderOf(topic: string, partition: number): Promise<number> {
    const admin = await openAdmin(kafka.brokers);
    try {
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
      return topics[0]!.partitions.find(({ partitionId }) => partitionId === partition)!.leader;
    } finally {
      await admin.disconnect();
    }
  }

  /** Writers on every partition, one reader that follows and two group members that share. */
  async function load(topic: string) {
    const [writing, reading, sharing] = await Promise.all([open(), open(), open()]);
    await writing.ensureTopics([{ topic, kind: 'doc', partitions: PARTITIONS }]);
    const followed = new Seen(PARTITIONS);
    await followAll(reading, topic, followed);
    const consumed = new Seen(PARTITIONS);
    const positions = new Map<number, number>();
    for (const stream of [reading, sharing])
      await consumeAll(stream, { topic, group: topic, seen: consumed, positions });
    const writers = Array.from(
      { length: PARTITIONS },
      (_, partition) => new Writer(writing, { topic, partition }),
    );
    const untilMore = async (count: number, what: string, timeoutMs = 120_000) => {
      const before = writers.map(({ acked }) => acked.size);
      await waitFor(() => writers.every(({ acked }, at) => acked.size >= before[at]! + count), {
        timeoutMs,
        what,
      });
    };
    const drain = async () => {
      await Promise.all(writers.map((writer) => writer.stop()));
      const last = writers.map((writer) => [...writer.acked.keys()].at(-1)!);
      for (const seen of [followed, consumed]) {
        await waitFor(() => last.every((text) => seen.count(text) > 0), {
          timeoutMs: 120_000,
          what: 'the readers come to the end',
        });
        seen.expectAllOf(writers);
        seen.expectOrdered();
      }
      expect(followed.errors.every(({ retrying }) => retrying)).toBe(true);
    };
    return { writers, untilMore, drain };
  }

  it('goes on when the leader of a busy partition is killed, and loses, doubles and reorders nothing', async () => {
    const { untilMore, drain } = await load('leader-dies');
    await untilMore(100, 'everything runs');
    const leader = kafka.node(await leaderOf('leader-dies', 0));
    await leader.kill('SIGKILL');
    await untilMore(300, 'appends go on without it');
    await leader.restart();
    await untilMore(100, 'appends go on with it');
    await drain();
  });

  it('refuses appends in time without a quorum, and goes on when one broker is back', async () => {
    const { writers, untilMore, drain } = await load('no-quorum');
    await untilMore(100, 'everything runs');
    const first = await leaderOf('no-quorum', 0);
    const others = [1, 2, 3].filter((nodeId) => nodeId !== first);
    await kafka.node(first).kill('SIGKILL');
    await untilMore(100, 'appends go on with two brokers');
    await kafka.node(others[0]!).kill('SIGKILL');
    const refused = writers.map(({ failed }) => failed.length);
    await waitFor(() => writers.every(({ failed }, at) => failed.length > refused[at]!), {
      timeoutMs: 4 * APPEND_TIMEOUT_MS + LATE_MS,
      what: 'every partition refuses',
    });
    await kafka.node(others[0]!).restart();
    await untilMore(100, 'appends go on with two brokers again');
    await kafka.node(first).restart();
    await untilMore(100, 'appends go on with three');
    await drain();
    for (const { failed, slowestRefusalMs } of writers) {
      expect(failed.every((error) => isAppError(error, 'STREAM_APPEND_FAILED'))).toBe(true);
      expect(slowestRefusalMs).toBeLessThan(APPEND_TIMEOUT_MS + LATE_MS);
    }
  });

  it('takes new topics and new processes while one broker is away', async () => {
    await kafka.node(1).kill('SIGKILL');
    try {
      const stream = await open();
      const target = { topic: 'made-meanwhile-1', partition: 0 };
      // Until its session ends the dead broker is at times named as the controller: one creation alone may be lucky.
      for (let made = 1; made <= 10; made++)
        await stream.ensureTopics([{ topic: `made-meanwhile-${made}`, kind: 'doc', partitions: 2 }]);
      const offsets = await waitFor(() => stream.append(target, [record('0-0')]).catch(() => undefined), {
        timeoutMs: 120_000,
        what: 'an append to the new topic',
      });
      expect(offsets).toEqual([expect.any(Number)]);
      expect((await stream.identity(target.topic))?.partitions).toBe(2);
    } finally {
      await kafka.node(1).restart();
    }
  });

  it('goes on when a broker hangs that takes connections but does not answer', async () => {
    const { untilMore, drain } = await load('broker-hangs');
    await untilMore(100, 'everything runs');
    // The first of the list, too: it is the one that clients ask first.
    for (const nodeId of new Set([await leaderOf('broker-hangs', 0), 1])) {
      await kafka.node(nodeId).kill('SIGSTOP');
      try {
        await untilMore(200, `appends go on while ${nodeId} hangs`);
        // A process that starts meanwhile finds its way, too.
        const late = await open();
        expect(await late.endOffset({ topic: 'broker-hangs', partition: 0 })).toBeGreaterThan(0);
        await late.close();
      } finally {
        await kafka.node(nodeId).kill('SIGCONT');
      }
      await untilMore(100, `appends go on after ${nodeId} hung`);
    }
    await drain();
  });
});
