import type { Consumer } from 'kafkajs';
import type { ConsumeRequest } from '../port.ts';
import type { ClusterClient } from './cluster-client.ts';
import { createKafkaJsClient, retryOptions, type KafkaJsClient } from './kafkajs-client.ts';
import { maxBatchBytes, type KafkaSettings } from './settings.ts';

const RETRIES = 5;
/** Less than a person waits for: a connection that has gone deaf is noticed by this alone. */
const REQUEST_TIMEOUT_MS = 6_000;
/** How long a fetch waits for records; also how long it takes to stop, and to take up a resumed partition. */
const MAX_WAIT_MS = 250;
/** Of all partitions together: so much is handed out without waiting for more. */
const COLLECT_BYTES = 256 * 1024;
const HEARTBEAT_MS = 1000;

/** A kafkajs client shares the offsets of a group among its consumers: so each consumer has a client of its own. */
export function createGroupClient(
  { settings, cluster }: { settings: KafkaSettings; cluster: ClusterClient },
  { group, collectMs = 0 }: Pick<ConsumeRequest, 'group' | 'collectMs'>,
): { client: KafkaJsClient; consumer: Consumer } {
  const { clientId, logger, sessionTimeoutMs } = settings;
  const client = createKafkaJsClient({
    brokers: () => cluster.addresses,
    clientId: `${clientId}-${group}`,
    logger,
    retries: RETRIES,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
  });
  const consumer = client.kafka.consumer({
    groupId: group,
    allowAutoTopicCreation: false,
    sessionTimeout: sessionTimeoutMs,
    rebalanceTimeout: 3 * sessionTimeoutMs,
    heartbeatInterval: HEARTBEAT_MS,
    maxWaitTimeInMs: collectMs > 0 ? Math.min(collectMs, MAX_WAIT_MS) : MAX_WAIT_MS,
    minBytes: collectMs > 0 ? COLLECT_BYTES : 1,
    // Every partition may hold one record of the longest size, else a big one could starve behind the others.
    maxBytesPerPartition: maxBatchBytes(settings),
    maxBytes: 2 * maxBatchBytes(settings),
    retry: retryOptions(RETRIES),
  });
  return { client, consumer };
}
