import { AppError } from './errors.ts';
import { ACCOUNT_SETTINGS, checkAccounts } from './config-accounts.ts';
import { choice, int, list, text, type Setting } from './config-settings.ts';

const KB = 1024;
const MB = 1024 * KB;
const SECOND = 1000;

/**
 * The configuration: one row for each setting, read once at start, frozen, passed in. Only this file
 * reads process.env. README's table and the Kubernetes ConfigMap are checked against CONFIG_SCHEMA.
 */
export const CONFIG_SCHEMA = {
  mode: choice(
    'YKAFKA_MODE',
    ['embedded', 'cluster'],
    'embedded',
    'embedded: one process, no Kafka. cluster: Kafka and PostgreSQL.',
  ),
  host: text('HOST', '127.0.0.1', 'Address that HTTP and Socket.IO listen on.'),
  port: int('PORT', 3000, { min: 0, max: 65535 }, 'Port of HTTP and Socket.IO; 0 takes a free one.'),
  healthPort: int(
    'YKAFKA_HEALTH_PORT',
    0,
    { min: 0, max: 65535 },
    'Port of /health, /metrics and internal transfers of a process without gateway; 0 takes a free one.',
  ),
  internalHost: text(
    'YKAFKA_INTERNAL_HOST',
    '127.0.0.1',
    'Address under which other processes reach the internal HTTP listener of this one.',
  ),
  dataDir: text('DATA_DIR', './data', 'Folder of the embedded log and database.'),
  kafkaBrokers: list('KAFKA_BROKERS', [], 'Brokers, host:port each. Needed in cluster mode.'),
  databaseUrl: text(
    'DATABASE_URL',
    '',
    'PostgreSQL URL. Needed in cluster mode by the services that store.',
    { secret: true },
  ),
  auth: choice(
    'AUTH',
    ['none', 'accounts', 'jwt'],
    'none',
    'none: everybody may edit everything; refused on anything but loopback. accounts: people sign in here. jwt: tokens of another product.',
  ),
  ...ACCOUNT_SETTINGS,
  corsOrigins: list('CORS_ORIGINS', [], 'Origins that may connect beside the own one; * for all.'),
  restoreHours: int(
    'YKAFKA_RESTORE_HOURS',
    720,
    { min: 0, max: 87600 },
    'How long a deleted board can be restored, in hours; then what it holds is taken away.',
  ),
  guessesPerMinute: int(
    'YKAFKA_GUESSES_PER_MINUTE',
    60,
    { min: 0, max: 100_000 },
    'Requests a minute from one address that try a token or an e-mail address, such as those with an invite’s link: at all gateways together with REDIS_URL, else at each; 0: no limit.',
  ),
  trustedProxyHops: int(
    'YKAFKA_TRUSTED_PROXY_HOPS',
    0,
    { min: 0, max: 10 },
    'Proxies before the gateway that add to `X-Forwarded-For`; the address of a client is taken from before them.',
  ),
  tenant: text('YKAFKA_TENANT', 'default', 'Tenant of connections that carry none.', {
    pattern: /^[\w.-]{1,64}$/,
  }),
  namespace: text('YKAFKA_NAMESPACE', 'ykafka', 'Namespace of the services; no dots.', {
    pattern: /^[\w-]{1,64}$/,
  }),
  nodeId: text(
    'YKAFKA_NODE_ID',
    '',
    'Stable id of this process among the services; default: its services and the host name.',
    { pattern: /^[\w-]{0,120}$/ },
  ),
  logLevel: choice(
    'YKAFKA_LOG_LEVEL',
    ['fatal', 'error', 'warn', 'info', 'debug', 'trace'],
    'info',
    'Lowest level that is logged.',
  ),
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
  maxMetadataBytes: int(
    'YKAFKA_MAX_METADATA_BYTES',
    4 * KB,
    { min: 512, max: 60 * KB },
    'Limit of an envelope’s metadata.',
  ),
  maxUpdateBytes: int('YKAFKA_MAX_UPDATE_BYTES', 8 * MB, { min: KB, max: 64 * MB }, 'Limit of one update.'),
  maxFrameBytes: int(
    'YKAFKA_MAX_FRAME_BYTES',
    256 * KB,
    { min: 4 * KB, max: 900 * KB },
    'Limit of one frame; larger ones travel as chunks.',
  ),
  maxDocumentsPerSocket: int(
    'YKAFKA_MAX_DOCUMENTS_PER_SOCKET',
    200,
    { min: 1, max: 100_000 },
    'Documents that a connection may have joined.',
  ),
  maxQueueBytes: int(
    'YKAFKA_MAX_QUEUE_BYTES',
    4 * MB,
    { min: 64 * KB, max: 256 * MB },
    'Bytes that wait for one socket before its documents are served by resume.',
  ),
  maxUnacked: int(
    'YKAFKA_MAX_UNACKED',
    256,
    { min: 1, max: 100_000 },
    'Updates of one document and client that may wait for their ack.',
  ),
  maxUnackedBytes: int(
    'YKAFKA_MAX_UNACKED_BYTES',
    32 * MB,
    { min: MB, max: 1024 * MB },
    'Bytes of updates of one connection that may wait for their acks.',
  ),
  connectionUpdatesPerSecond: int(
    'YKAFKA_CONNECTION_UPDATES_PER_SECOND',
    2_000,
    { min: 0, max: 10_000_000 },
    'Updates that one connection may send in a second, after a burst of five seconds’ worth; 0 for any number.',
  ),
  connectionBytesPerSecond: int(
    'YKAFKA_CONNECTION_BYTES_PER_SECOND',
    16 * MB,
    { min: 0, max: 1024 * MB },
    'Bytes of updates that one connection may send in a second; burst and 0 as above.',
  ),
  roomUpdatesPerSecond: int(
    'YKAFKA_ROOM_UPDATES_PER_SECOND',
    10_000,
    { min: 0, max: 10_000_000 },
    'Updates that one gateway takes for one room in a second; burst and 0 as above.',
  ),
  roomBytesPerSecond: int(
    'YKAFKA_ROOM_BYTES_PER_SECOND',
    32 * MB,
    { min: 0, max: 1024 * MB },
    'Bytes of updates that one gateway takes for one room in a second; burst and 0 as above.',
  ),
  connectionJoinsPerSecond: int(
    'YKAFKA_CONNECTION_JOINS_PER_SECOND',
    200,
    { min: 0, max: 1_000_000 },
    'Joins that one connection may ask for in a second; burst and 0 as above.',
  ),
  connectionPresencePerSecond: int(
    'YKAFKA_CONNECTION_PRESENCE_PER_SECOND',
    60,
    { min: 0, max: 100_000 },
    'Cursors, selections and viewports that one connection may show in a second; of more the latest is shown later; burst and 0 as above.',
  ),
  redisUrl: text(
    'REDIS_URL',
    '',
    'Redis (or what speaks like it) that gateways share: who is in which room, what was decided about rights. To be trusted like the database.',
    { secret: true, pattern: /^(rediss?:\/\/.+)?$/ },
  ),
  ringBytes: int(
    'YKAFKA_RING_BYTES',
    256 * KB,
    { min: 4 * KB, max: 64 * MB },
    'Last entries that a gateway keeps of each hosted document.',
  ),
  producerBufferBytes: int(
    'YKAFKA_PRODUCER_BUFFER_BYTES',
    64 * MB,
    { min: MB, max: 1024 * MB },
    'Bytes that may wait to be appended in one process.',
  ),
  appendTimeoutMs: int(
    'YKAFKA_APPEND_TIMEOUT_MS',
    5 * SECOND,
    { min: 100, max: 120 * SECOND },
    'After this a client is told that its update is not known durable.',
  ),
  joinTimeoutMs: int(
    'YKAFKA_JOIN_TIMEOUT_MS',
    15 * SECOND,
    { min: 500, max: 300 * SECOND },
    'Time limit of one join.',
  ),
  joinConcurrency: int(
    'YKAFKA_JOIN_CONCURRENCY',
    32,
    { min: 1, max: 4096 },
    'Joins that one process computes at a time.',
  ),
  inlineCheckBytes: int(
    'YKAFKA_INLINE_CHECK_BYTES',
    32 * KB,
    { min: 0, max: 8 * MB },
    'Updates up to this size are checked inline, larger ones in a worker thread.',
  ),
  tailBytes: int(
    'YKAFKA_TAIL_BYTES',
    16 * MB,
    { min: MB, max: 1024 * MB },
    'Most of a partition’s log that a join reads behind the store.',
  ),
  syncCacheBytes: int(
    'YKAFKA_SYNC_CACHE_BYTES',
    128 * MB,
    { min: 0, max: 16 * 1024 * MB },
    'Bytes of document states that fastsync keeps.',
  ),
  inlineAnswerBytes: int(
    'YKAFKA_INLINE_ANSWER_BYTES',
    64 * KB,
    { min: KB, max: 512 * KB },
    'Larger results travel over the internal HTTP listener.',
  ),
  ticketTtlMs: int(
    'YKAFKA_TICKET_TTL_MS',
    30 * SECOND,
    { min: SECOND, max: 600 * SECOND },
    'How long a result waits to be fetched.',
  ),
  codecThreads: int('YKAFKA_CODEC_THREADS', 1, { min: 1, max: 64 }, 'Worker threads of one codec pool.'),
  codecQueue: int(
    'YKAFKA_CODEC_QUEUE',
    1000,
    { min: 1, max: 1_000_000 },
    'Tasks that may wait for a worker thread.',
  ),
  codecTimeoutMs: int(
    'YKAFKA_CODEC_TIMEOUT_MS',
    30 * SECOND,
    { min: 100, max: 600 * SECOND },
    'Time limit of a task, for each 16 MB that it works on; then the thread is killed.',
  ),
  embeddedTailRecords: int(
    'YKAFKA_EMBEDDED_TAIL_RECORDS',
    10_000,
    { min: 100, max: 100_000_000 },
    'Records of each partition that the embedded log keeps when they have been stored; older ones are in the database alone.',
  ),
  snapshotUpdates: int(
    'YKAFKA_SNAPSHOT_UPDATES',
    500,
    { min: 1, max: 1_000_000 },
    'Updates behind the snapshot that make a new one.',
  ),
  snapshotBytes: int(
    'YKAFKA_SNAPSHOT_BYTES',
    256 * KB,
    { min: KB, max: 1024 * MB },
    'Bytes behind the snapshot that make a new one; grows with the document.',
  ),
  snapshotAgeMs: int(
    'YKAFKA_SNAPSHOT_AGE_MS',
    60 * SECOND,
    { min: SECOND, max: 86_400 * SECOND },
    'Age of the oldest update behind the snapshot that makes a new one.',
  ),
  storeDelayMs: int(
    'YKAFKA_STORE_DELAY_MS',
    250,
    { min: 0, max: 10 * SECOND },
    'How long new records may wait for others with which they are stored in one transaction.',
  ),
  storeStatementTimeoutMs: int(
    'YKAFKA_STORE_STATEMENT_TIMEOUT_MS',
    15 * SECOND,
    { min: 100, max: 600 * SECOND },
    'Time limit of a statement in PostgreSQL; a connection that is silent for 2 s more is cut.',
  ),
  storeLockTimeoutMs: int(
    'YKAFKA_STORE_LOCK_TIMEOUT_MS',
    5 * SECOND,
    { min: 100, max: 600 * SECOND },
    'Time limit of waiting for a lock in PostgreSQL.',
  ),
  storeIdleInTransactionMs: int(
    'YKAFKA_STORE_IDLE_IN_TRANSACTION_MS',
    3 * SECOND,
    { min: 100, max: 600 * SECOND },
    'A process that pauses for longer inside a transaction loses it, so that others can go on.',
  ),
  storeConnectTimeoutMs: int(
    'YKAFKA_STORE_CONNECT_TIMEOUT_MS',
    5 * SECOND,
    { min: 100, max: 600 * SECOND },
    'How long a call may wait for a connection to PostgreSQL.',
  ),
  requestTimeoutMs: int(
    'YKAFKA_REQUEST_TIMEOUT_MS',
    10 * SECOND,
    { min: 500, max: 300 * SECOND },
    'Time limit of a call between services.',
  ),
  maxBadMessages: int(
    'YKAFKA_MAX_BAD_MESSAGES',
    100,
    { min: 1, max: 1_000_000 },
    'Unreadable messages after which a connection is closed.',
  ),
  pingIntervalMs: int(
    'YKAFKA_PING_INTERVAL_MS',
    5 * SECOND,
    { min: 500, max: 120 * SECOND },
    'Interval of Socket.IO pings.',
  ),
  pingTimeoutMs: int(
    'YKAFKA_PING_TIMEOUT_MS',
    5 * SECOND,
    { min: 500, max: 120 * SECOND },
    'Time without a pong after which a connection is dead.',
  ),
  drainClientsPerSecond: int(
    'YKAFKA_DRAIN_CLIENTS_PER_SECOND',
    200,
    { min: 1, max: 100_000 },
    'Connections that a gateway asks to move in a second when it is stopped.',
  ),
  drainLimitMs: int(
    'YKAFKA_DRAIN_LIMIT_MS',
    10 * SECOND,
    { min: 0, max: 300 * SECOND },
    'Time in which a gateway that is stopped has moved all its connections, at a higher rate if need be.',
  ),
  drainRetryMs: int(
    'YKAFKA_DRAIN_RETRY_MS',
    100,
    { min: 0, max: 60 * SECOND },
    'How long a moved client is asked to wait before it connects elsewhere.',
  ),
  accessTtlMs: int(
    'YKAFKA_ACCESS_TTL_MS',
    300 * SECOND,
    { min: SECOND, max: 3600 * SECOND },
    'A gateway believes a decision about a right for so long when it hears of no change.',
  ),
  accessGraceMs: int(
    'YKAFKA_ACCESS_GRACE_MS',
    900 * SECOND,
    { min: 0, max: 24 * 3600 * SECOND },
    'Open documents go on for so long beyond that when rights cannot be looked up.',
  ),
  beatIntervalMs: int(
    'YKAFKA_BEAT_INTERVAL_MS',
    2 * SECOND,
    { min: 100, max: 60 * SECOND },
    'Interval of the gateways’ beats on the awareness topic.',
  ),
  beatTimeoutMs: int(
    'YKAFKA_BEAT_TIMEOUT_MS',
    6 * SECOND,
    { min: 300, max: 300 * SECOND },
    'Silence after which a gateway’s awareness states are dropped.',
  ),
} satisfies Record<string, Setting<unknown>>;

type Widen<T> = T extends Setting<infer V> ? V : never;
export type Config = { readonly [K in keyof typeof CONFIG_SCHEMA]: Widen<(typeof CONFIG_SCHEMA)[K]> };

const OWN_PREFIX = 'YKAFKA_';

/** Parses the environment. Throws AppError BAD_CONFIG whose `data.problems` lists every bad or unknown variable. */
export function loadConfig(env: NodeJS.ProcessEnv = process.env, overrides: Partial<Config> = {}): Config {
  const problems: string[] = [];
  const config: Record<string, unknown> = {};
  const known = new Set<string>();
  for (const [key, setting] of Object.entries(CONFIG_SCHEMA) as [keyof Config, Setting<unknown>][]) {
    known.add(setting.env);
    const value = env[setting.env];
    try {
      config[key] =
        overrides[key] ?? (value === undefined || value === '' ? setting.default : setting.parse(value));
    } catch (error) {
      const shown = setting.secret ? '(secret)' : JSON.stringify(value);
      problems.push(`${setting.env}=${shown}: ${(error as Error).message}`);
    }
  }
  for (const name of Object.keys(env)) {
    if (name.startsWith(OWN_PREFIX) && !known.has(name) && !name.startsWith('YKAFKA_TEST_'))
      problems.push(`${name}: unknown variable`);
  }
  if (problems.length === 0) problems.push(...checkTogether(config as unknown as Config));
  if (problems.length > 0) {
    throw new AppError('BAD_CONFIG', {
      message: `The configuration is not valid:\n  ${problems.join('\n  ')}`,
      data: { problems },
    });
  }
  return Object.freeze(config) as Config;
}

/** Whether the fault suite has started this process (lib/failpoints.ts); no setting of an operator's. */
export function isStartedByFaultSuite(env: NodeJS.ProcessEnv = process.env): boolean {
  return env.YKAFKA_TEST_FAILPOINTS === '1';
}

function checkTogether(config: Config): string[] {
  const problems: string[] = [];
  if (config.mode === 'cluster' && config.kafkaBrokers.length === 0)
    problems.push('KAFKA_BROKERS: needed in cluster mode');
  if (config.minInsyncReplicas > config.replicationFactor) {
    problems.push('YKAFKA_MIN_INSYNC_REPLICAS: cannot be above YKAFKA_REPLICATION_FACTOR');
  }
  problems.push(...checkAccounts(config));
  if (config.beatTimeoutMs <= config.beatIntervalMs)
    problems.push('YKAFKA_BEAT_TIMEOUT_MS: must be above YKAFKA_BEAT_INTERVAL_MS');
  if (!config.topicPattern.includes('{channel}'))
    problems.push('YKAFKA_TOPIC_PATTERN: must contain {channel}');
  return problems;
}
