import { systemClock, type Clock } from '../../clock.ts';
import type { Config } from '../../config.ts';
import type { Logger } from '../../log.ts';
import { ClusterClient } from './cluster-client.ts';
import { withDefaults, type KafkaSettings } from './settings.ts';
import { nodeTopics, transporterTopics } from './transporter-names.ts';
import { TopicAdmin } from './topic-admin.ts';
import { commonConfig, warnOfDifferences } from './topic-settings.ts';

export interface TransporterTopicsOptions {
  config: Pick<Config, 'kafkaBrokers' | 'namespace' | 'replicationFactor' | 'minInsyncReplicas'>;
  nodeId: string;
  logger: Logger;
  clock?: Clock;
}

/** Calls and their answers, sign-ins among them, lie in these topics: no longer than a restart may need. */
const RETENTION_MS = 10 * 60_000;
const SEGMENT_BYTES = 16 * 1024 * 1024;

/**
 * Makes the transporter's topics before it does, with short retention and one partition; left to itself it would
 * take the broker's defaults. Idempotent. Waits for Kafka as long as a first contact may take. Tells whether none of
 * the node's own topics was there before.
 */
export async function prepareTransporterTopics(
  options: TransporterTopicsOptions,
): Promise<{ isNewNode: boolean }> {
  const settings = settingsOfTransporter(options);
  const cluster = new ClusterClient(settings);
  const admin = new TopicAdmin(settings, cluster);
  try {
    const names = transporterTopics(options.config.namespace, options.nodeId);
    const view = await cluster.retrying(() => cluster.metadata(names));
    const config = { ...commonConfig(settings, RETENTION_MS), 'segment.bytes': SEGMENT_BYTES };
    const wanted = names.map((topic) => ({ topic, partitions: 1, config }));
    await admin.create(wanted.filter(({ topic }) => !view.topics.has(topic)));
    await warnOfDifferences(
      wanted.filter(({ topic }) => view.topics.has(topic)),
      {
        view,
        replicationFactor: settings.replicationFactor,
        describe: (topics) => admin.describe(topics),
        logger: options.logger,
      },
    );
    const { namespace } = options.config;
    return { isNewNode: nodeTopics(namespace, options.nodeId).every((topic) => !view.topics.has(topic)) };
  } finally {
    await Promise.all([admin.close(), cluster.close()]);
  }
}

/** How this process speaks to Kafka about the transporter, beside the transporter itself. */
export function settingsOfTransporter({
  config,
  nodeId,
  logger,
  clock = systemClock,
}: TransporterTopicsOptions): KafkaSettings {
  const settings = withDefaults({
    brokers: config.kafkaBrokers,
    clientId: `${nodeId}-transporter-topics`,
    logger,
    clock,
    replicationFactor: config.replicationFactor,
    minInsyncReplicas: config.minInsyncReplicas,
    retentionMs: RETENTION_MS,
    ephemeralRetentionMs: RETENTION_MS,
    maxRecordBytes: 1024 * 1024,
    producerBufferBytes: 0,
    topicPollMs: 1000,
    appendTimeoutMs: 5000,
  });
  return { ...settings, requestRetryMs: settings.connectTimeoutMs };
}
