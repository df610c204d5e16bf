import type { BrokerOptions, LogLevels } from 'moleculer';
import type { Config } from '../config.ts';
import { systemClock, type Clock } from '../clock.ts';
import { silentLogger, type Logger } from '../log.ts';
import { noMetrics, type Metrics } from '../metrics.ts';
import { AppErrorRegenerator } from './errors.ts';
import { BEAT_SECONDS, TransporterWatch } from './node-watch.ts';
import { countCalls, explainFailedSends, releaseTimedOutCalls } from './middlewares.ts';
import { retryRepeatable } from './retry.ts';
import { sealTransport } from './sealed-transport.ts';

const MAX_CALL_LEVEL = 20;
const SHUTDOWN_TIMEOUT_MS = 10_000;

export interface BrokerParts {
  metrics?: Metrics;
  clock?: Clock;
  /** Given by who wants to know what it sees. */
  watch?: TransporterWatch;
  /** Consumer group of this start of the process, on Kafka. */
  group?: string;
  logger?: Logger;
}

/** Options that every process shares. In embedded mode there is no transporter: all services are local. */
export function createBrokerOptions(
  config: Config,
  nodeID: string,
  { metrics = noMetrics, clock = systemClock, watch, group, logger = silentLogger }: BrokerParts = {},
): BrokerOptions {
  const { middleware } = watch ?? new TransporterWatch({ metrics, clock, logger: silentLogger });
  const { transportSecret: secret } = config;
  return {
    namespace: config.namespace,
    nodeID,
    logger: {
      type: 'Pino',
      options: {
        level: logLevels(config.logLevel),
        pino: { options: { level: config.logLevel, base: { node: nodeID } } },
      },
    },
    logLevel: config.logLevel as LogLevels,
    // JSON would turn binary fields into plain objects between nodes.
    serializer: 'CBOR',
    requestTimeout: config.requestTimeoutMs,
    maxCallLevel: MAX_CALL_LEVEL,
    heartbeatInterval: BEAT_SECONDS,
    // Retries are ours (retry.ts): Moleculer's own do not know which actions may run twice, nor the time that is left.
    retryPolicy: { enabled: false },
    tracking: { enabled: true, shutdownTimeout: SHUTDOWN_TIMEOUT_MS },
    middlewares: [
      releaseTimedOutCalls,
      countCalls(metrics),
      explainFailedSends,
      retryRepeatable({ clock, metrics }),
      middleware,
      ...(secret === '' ? [] : [sealTransport({ secret, clock, logger })]),
    ],
    errorRegenerator: new AppErrorRegenerator() as unknown as BrokerOptions['errorRegenerator'],
    transit: { serviceChangedDebounceTime: 50 } as BrokerOptions['transit'],
    // Signals are ours (lifecycle.ts): the built-in handler exits 0 even when a service failed to stop.
    skipProcessEventRegistration: true,
    registry: {
      strategy: 'RoundRobin',
      preferLocal: true,
      // Who is gone is decided by node-watch.ts, which knows whether this node itself hears.
      discoverer: { type: 'Local', options: { disableHeartbeatChecks: true } },
    },
    ...(config.mode === 'cluster' ? { transporter: kafkaTransporter(config, nodeID, group) } : {}),
  };
}

/**
 * These parts of Moleculer log every failed send and every failed start with all they know, packets too, and every
 * attempt to reach Redis. Who called, node-watch.ts, role-cache.ts and lifecycle.ts say it in one line; on debug all
 * of it is there.
 */
function logLevels(level: Config['logLevel']): Record<string, string> | string {
  if (level === 'debug' || level === 'trace') return level;
  return { BROKER: 'fatal', TRANSIT: 'fatal', TRANSPORTER: 'fatal', CACHER: 'fatal', '**': level };
}

function kafkaTransporter(config: Config, nodeID: string, groupId?: string): BrokerOptions['transporter'] {
  return {
    type: 'Kafka',
    options: {
      clientId: nodeID,
      bootstrapBrokers: [...config.kafkaBrokers],
      admin: BROKER_LIMITS,
      producer: BROKER_LIMITS,
      // Without endless retries an outage of 10 s leaves the node deaf for ever. Never a group that outlives the
      // process: a restart after a kill would wait a minute for the dead member.
      consumer: {
        ...BROKER_LIMITS,
        retries: true,
        requestTimeout: CONSUMER_REQUEST_MS,
        maxWaitTime: LONG_POLL_MS,
        ...(groupId && { groupId }),
      },
    },
  };
}

/**
 * A broker that takes connections and does not answer costs so much for each request, before another one is asked. The
 * library waits 30 s: with one of three brokers hanging, services would not hear of each other for minutes.
 */
const BROKER_LIMITS = { connectTimeout: 2_000, requestTimeout: 3_000, retryDelay: 250 };
const LONG_POLL_MS = 1_000;
/** Longer than a long poll, and than Kafka lets the first member of a group wait for others (3 s by default). */
const CONSUMER_REQUEST_MS = 5_000;
