import type { Admin, Kafka } from 'kafkajs';
import { randomUUID } from 'node:crypto';
import { systemClock } from '../../../lib/clock.ts';
import { silentLogger } from '../../../lib/log.ts';
import { createKafkaStream, type KafkaStreamOptions } from '../../../lib/stream/kafka.ts';
import { createKafkaJsClient } from '../../../lib/stream/kafka/kafkajs-client.ts';
import type { Stream, TopicPartition } from '../../../lib/stream/port.ts';
import type { StreamHarness } from '../../contract/stream-checks/harness.ts';

export const MAX_RECORD_BYTES = 2 * 1024 * 1024;

/** The broker that the run has started. */
export function sharedBrokers(): string[] {
  const brokers = (process.env.KAFKA_BROKERS ?? '').split(',').filter((broker) => broker !== '');
  if (brokers.length === 0)
    throw new Error('KAFKA_BROKERS is not set: node scripts/dev/kafka.ts starts a broker.');
  return brokers;
}

export function openStream(
  brokers: readonly string[],
  options: Partial<KafkaStreamOptions> = {},
): Promise<Stream> {
  return createKafkaStream({
    brokers,
    clientId: `test-${randomUUID()}`,
    logger: silentLogger,
    clock: systemClock,
    replicationFactor: 1,
    minInsyncReplicas: 1,
    retentionMs: 3_600_000,
    ephemeralRetentionMs: 600_000,
    maxRecordBytes: MAX_RECORD_BYTES,
    producerBufferBytes: 64 * 1024 * 1024,
    topicPollMs: 200,
    // Longer than a busy broker takes: what is refused in time has a time limit of its own.
    appendTimeoutMs: 60_000,
    ...options,
  });
}

/** kafkajs itself, for what the port does not have. */
export function openKafkaJs(brokers: readonly string[], clientId: string): Kafka {
  const options = {
    brokers: () => brokers,
    clientId,
    logger: silentLogger,
    retries: 5,
    requestTimeoutMs: 15_000,
  };
  return createKafkaJsClient(options).kafka;
}

/** What the adapter does not offer: to look at topics, to change them behind its back. */
export async function openAdmin(brokers: readonly string[]): Promise<Admin> {
  const admin = openKafkaJs(brokers, 'test-admin').admin();
  await admin.connect();
  return admin;
}

/** Makes the log forget what lies below an offset. */
export async function trim(
  admin: Admin,
  { topic, partition }: TopicPartition,
  beforeOffset: number,
): Promise<void> {
  // kafkajs knows the leaders only of topics that it has been asked about.
  await admin.fetchTopicOffsets(topic);
  await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(beforeOffset) }] });
}

/** The adapter on the shared broker. */
export async function makeKafka(): Promise<StreamHarness> {
  const brokers = sharedBrokers();
  const stream = await openStream(brokers);
  let current = stream;
  const admin = await openAdmin(brokers);
  return {
    stream,
    maxRecordBytes: MAX_RECORD_BYTES,
    reopen: async () => (current = await openStream(brokers)),
    trim: (partition, beforeOffset) => trim(admin, partition, beforeOffset),
    deleteTopic: (topic) => admin.deleteTopics({ topics: [topic] }),
    dispose: async () => {
      await Promise.all([current.close(), admin.disconnect()]);
    },
  };
}
