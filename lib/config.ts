import { AppError } from './errors.ts';
import { ACCOUNT_SETTINGS, checkAccounts } from './config-accounts.ts';
import { CONNECTION_SETTINGS, LIMIT_SETTINGS } from './config-gateway.ts';
import { LOG_SETTINGS } from './config-log.ts';
import { SERVICE_SETTINGS } from './config-services.ts';
import { choice, int, list, text, type Setting } from './config-settings.ts';

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
    'Port of the internal listener: /health, /metrics, transfers, questions of other systems; 0 takes a free one. An embedded server has it only with YKAFKA_INTERNAL_SECRET.',
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
  presenceQuestionsPerMinute: int(
    'YKAFKA_PRESENCE_QUESTIONS_PER_MINUTE',
    120,
    { min: 0, max: 100_000 },
    'Requests a minute of one person that ask over HTTP who is on boards: at all gateways together with REDIS_URL, else at each; 0: no limit.',
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
  ...LOG_SETTINGS,
  ...LIMIT_SETTINGS,
  ...SERVICE_SETTINGS,
  ...CONNECTION_SETTINGS,
} satisfies Record<string, Setting<unknown>>;

type Widen<T> = T extends Setting<infer V> ? V : never;
export type Config = { readonly [K in keyof typeof CONFIG_SCHEMA]: Widen<(typeof CONFIG_SCHEMA)[K]> };

const OWN_PREFIX = 'YKAFKA_';

/**
 * Parses the environment. Throws AppError BAD_CONFIG whose `data.problems` lists every bad or unknown variable, behind
 * what the caller knows to be wrong already.
 */
export function loadConfig(
  env: NodeJS.ProcessEnv = process.env,
  overrides: Partial<Config> = {},
  foundBefore: readonly string[] = [],
): Config {
  const problems = [...foundBefore];
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
