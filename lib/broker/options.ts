import type { BrokerOptions, LogLevels } from 'moleculer';
import type { Config } from '../config.ts';
import { isAppError } from '../errors.ts';
import { AppErrorRegenerator } from './errors.ts';
import { releaseTimedOutContexts } from './middlewares.ts';

const MAX_CALL_LEVEL = 20;
const SHUTDOWN_TIMEOUT_MS = 10_000;

/**
 * Options that every process shares. In embedded mode there is no transporter: all services are local.
 * Retries are global because every action is idempotent or carries a key.
 */
export function createBrokerOptions(config: Config, nodeID: string): BrokerOptions {
  return {
    namespace: config.namespace,
    nodeID,
    logger: {
      type: 'Pino',
      options: {
        level: config.logLevel,
        pino: { options: { level: config.logLevel, base: { node: nodeID } } },
      },
    },
    logLevel: config.logLevel as LogLevels,
    // JSON would turn binary fields into plain objects between nodes.
    serializer: 'CBOR',
    requestTimeout: config.requestTimeoutMs,
    maxCallLevel: MAX_CALL_LEVEL,
    // Removes a killed node in about 5 s instead of 50.
    heartbeatInterval: 2,
    heartbeatTimeout: 6,
    retryPolicy: { enabled: true, retries: 3, delay: 100, maxDelay: 1_000, factor: 2, check: isRetryable },
    tracking: { enabled: true, shutdownTimeout: SHUTDOWN_TIMEOUT_MS },
    middlewares: [releaseTimedOutContexts],
    errorRegenerator: new AppErrorRegenerator() as unknown as BrokerOptions['errorRegenerator'],
    transit: { serviceChangedDebounceTime: 50 } as BrokerOptions['transit'],
    // Signals are ours (lifecycle.ts): the built-in handler exits 0 even when a service failed to stop.
    skipProcessEventRegistration: true,
    registry: { strategy: 'RoundRobin', preferLocal: true },
    ...(config.mode === 'cluster' ? { transporter: kafkaTransporter(config, nodeID) } : {}),
  };
}

function isRetryable(error: Error): boolean {
  const { retryable } = error as Error & { retryable?: boolean };
  return isAppError(error) ? error.retryable : retryable === true;
}

function kafkaTransporter(config: Config, nodeID: string): BrokerOptions['transporter'] {
  return {
    type: 'Kafka',
    options: {
      clientId: nodeID,
      bootstrapBrokers: [...config.kafkaBrokers],
      // Without endless retries an outage of 10 s leaves the node deaf for ever. The group id stays the
      // transporter's own: with a fixed one a restart after a kill waits a minute for the dead member.
      consumer: { retries: true },
    },
  };
}
