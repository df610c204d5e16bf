import type { Logger } from '../../log.ts';
import type { TopicKind, TopicRetention } from '../port.ts';
import type { ClusterView } from './cluster-client.ts';
import { reasonOf } from './errors.ts';
import { maxBatchBytes, type KafkaSettings } from './settings.ts';

/** A topic as it is to be: what `create` makes, and what an existing one is compared with. */
export interface NewTopic {
  topic: string;
  partitions: number;
  config: Readonly<Record<string, string | number>>;
}

type DurabilitySettings = Pick<KafkaSettings, 'minInsyncReplicas'>;

const MAX_SEGMENT_MS = 7 * 24 * 3_600_000;
/** The setting's name in our messages; Kafka has it as a property of the topic, not among its settings. */
const REPLICATION_FACTOR = 'replication.factor';

/** What all our topics have in common. Log compaction is never used: it would remove what others build on. */
export function commonConfig(
  settings: DurabilitySettings,
  retentionMs: number,
): Record<string, string | number> {
  return {
    'cleanup.policy': 'delete',
    'retention.ms': retentionMs,
    // A segment that is written to is not deleted: without this, short retention means a week all the same.
    'segment.ms': Math.min(retentionMs, MAX_SEGMENT_MS),
    // The broker's clock, not the sender's: a record of a process whose clock is an hour ahead would be refused, and
    // retention would follow the clocks of all senders.
    'message.timestamp.type': 'LogAppendTime',
    'min.insync.replicas': settings.minInsyncReplicas,
    // A copy that lacks acked records never becomes the leader: better no leader than a shorter log.
    'unclean.leader.election.enable': 'false',
  };
}

export function topicConfig(kind: TopicKind, settings: KafkaSettings): NewTopic['config'] {
  const retentionMs = kind === 'doc' ? settings.retentionMs : settings.ephemeralRetentionMs;
  return { ...commonConfig(settings, retentionMs), 'max.message.bytes': maxBatchBytes(settings) };
}

/** The retention of an existing topic; -1 is Kafka's word for no limit. */
export function retentionOf(settings: ReadonlyMap<string, string>): TopicRetention {
  const limit = (name: string) => {
    const value = Number(settings.get(name) ?? -1);
    return value >= 0 ? value : undefined;
  };
  const [retentionMs, retentionBytes] = [limit('retention.ms'), limit('retention.bytes')];
  const segmentMs = limit('segment.ms');
  return {
    ...(retentionMs === undefined ? {} : { retentionMs }),
    ...(retentionBytes === undefined ? {} : { retentionBytes }),
    ...(segmentMs === undefined ? {} : { segmentMs }),
  };
}

/** What an existing topic has otherwise than configured, each as a sentence for an operator. */
export function topicDifferences(
  wanted: { config: NewTopic['config']; replicationFactor: number },
  found: { config: ReadonlyMap<string, string>; replicas: number },
): string[] {
  const values: [name: string, wanted: string | number, found: string | number | undefined][] = [
    [REPLICATION_FACTOR, wanted.replicationFactor, found.replicas],
    ...Object.entries(wanted.config).map(
      ([name, value]) =>
        [name, value, found.config.get(name)] as [string, string | number, string | undefined],
    ),
  ];
  return values
    .filter(([, configured, is]) => is !== undefined && String(is) !== String(configured))
    .map(([name, configured, is]) => `${name} is ${is}, configured is ${configured}`);
}

export interface TopicCheckParts {
  view: ClusterView;
  replicationFactor: number;
  /** Settings of topics, as Kafka has them. */
  describe: (topics: readonly string[]) => Promise<Map<string, Map<string, string>>>;
  logger: Logger;
}

/**
 * Warns of topics that exist with other settings than configured. They are not changed: copies and retention of what
 * is already there are the operator's decision. Best effort: a failure to ask is no failure to start.
 */
export async function warnOfDifferences(
  topics: readonly NewTopic[],
  { view, replicationFactor, describe, logger }: TopicCheckParts,
): Promise<void> {
  if (topics.length === 0) return;
  let described: Map<string, Map<string, string>>;
  try {
    described = await describe(topics.map(({ topic }) => topic));
  } catch (error) {
    logger.debug({ reason: reasonOf(error) }, 'settings of topics not read');
    return;
  }
  const byDifferences = new Map<string, { differences: string[]; topics: string[] }>();
  for (const { topic, config } of topics) {
    const found = {
      config: described.get(topic) ?? new Map(),
      replicas: view.topics.get(topic)?.replicas ?? 0,
    };
    const differences = topicDifferences({ config, replicationFactor }, found);
    if (differences.length === 0) continue;
    const key = differences.join();
    const alike = byDifferences.get(key) ?? { differences, topics: [] };
    alike.topics.push(topic);
    byDifferences.set(key, alike);
  }
  for (const alike of byDifferences.values())
    logger.warn(alike, 'topics have other settings than configured');
}
