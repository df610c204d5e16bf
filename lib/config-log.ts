import { int, list, SECOND, text, type Setting } from './config-settings.ts';

/** Settings of the log’s topics; rows of the one schema in config.ts. */
export const LOG_SETTINGS = {
  topicPattern: text(
    'YKAFKA_TOPIC_PATTERN',
    'yjs-{channel}',
    'Template of topic names over {channel} {tenant} {room}.',
    { pattern: /^[\w.{}-]{1,120}$/ },
  ),
  partitions: int(
    'PARTITIONS',
    16,
    { min: 1, max: 1024 },
    'Partitions of the sharded topics; fixed at first start.',
  ),
  adoptTopics: list(
    'YKAFKA_ADOPT_TOPICS',
    [],
    'Topics whose changed identity is taken as a new epoch at this start; empty otherwise.',
  ),
  replicationFactor: int(
    'YKAFKA_REPLICATION_FACTOR',
    1,
    { min: 1, max: 9 },
    'Copies of each topic; 3 in production.',
  ),
  minInsyncReplicas: int(
    'YKAFKA_MIN_INSYNC_REPLICAS',
    1,
    { min: 1, max: 9 },
    'Copies that must have a record before it counts; 2 in production.',
  ),
  retentionHours: int(
    'YKAFKA_RETENTION_HOURS',
    168,
    { min: 1, max: 87600 },
    'How long the doc topics keep records, in hours.',
  ),
  ephemeralRetentionMinutes: int(
    'YKAFKA_EPHEMERAL_RETENTION_MINUTES',
    10,
    { min: 1, max: 10080 },
    'Retention of awareness, control and transporter topics, in minutes.',
  ),
  topicPollMs: int(
    'YKAFKA_TOPIC_POLL_MS',
    5 * SECOND,
    { min: 100, max: 10 * 60 * SECOND },
    'How often new room topics are looked for, in ms.',
  ),
} satisfies Record<string, Setting<unknown>>;
