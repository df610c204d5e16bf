import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { BrokerOptions, ServiceBroker } from 'moleculer';
import { createRuntime } from './lib/broker/open-runtime.ts';
import { failStart, ownProcessLifecycle, type Lifecycle } from './lib/broker/lifecycle.ts';
import { holdNodeId } from './lib/broker/node-claim.ts';
import { TransporterWatch } from './lib/broker/node-watch.ts';
import { createBrokerOptions } from './lib/broker/options.ts';
import { runnerProblems, withholdFromRunner } from './lib/broker/runner-environment.ts';
import { attachRuntime } from './lib/broker/runtime.ts';
import { renewTransporter } from './lib/broker/transporter-renewal.ts';
import { removeTransporterTraces } from './lib/broker/transporter-traces.ts';
import { systemClock as clock } from './lib/clock.ts';
import { isStartedByFaultSuite, loadConfig, type Config } from './lib/config.ts';
import { isAppError } from './lib/errors.ts';
import { openFailpoints } from './lib/failpoints.ts';
import { createLogger } from './lib/log.ts';
import { transporterGroup } from './lib/stream/kafka/transporter-names.ts';

/**
 * The configuration of a service's own process:
 *   moleculer-runner --config moleculer.config.ts services/<name>.service.ts
 * The node id is stable (YKAFKA_NODE_ID, else the host name), because the transporter makes topics for each.
 */
function readConfig(): Config {
  try {
    return loadConfig(process.env, { mode: 'cluster' }, runnerProblems(process.env));
  } catch (error) {
    if (!isAppError(error, 'BAD_CONFIG')) throw error;
    failStart(error);
  }
}

const config = readConfig();
const nodeID = config.nodeId || hostname().replaceAll('.', '-');
const logger = createLogger(config.logLevel, { node: nodeID });
openFailpoints(isStartedByFaultSuite());
const runtime = createRuntime({ config, logger, nodeId: nodeID });

let lifecycle: Lifecycle | undefined;
const newGroup = () => transporterGroup(config.namespace, nodeID, randomUUID());
const group = newGroup();
const watch = new TransporterWatch({
  clock,
  logger,
  metrics: runtime.metrics,
  onDeaf: () => lifecycle?.leave('the transporter sends but hears nothing'),
});
let isStarted = false;
runtime.health.register('start', () => ({ ready: isStarted }));
runtime.health.register('transporter', () => ({ ready: watch.isHearing(), nodes: watch.nodes() }));

/** Kafka may be away for long when a process starts: it waits, and says so now and then. */
async function untilKafkaAnswers<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isAppError(error, 'STREAM_UNAVAILABLE')) throw error;
      logger.warn({ err: error }, 'kafka does not answer: the start waits for it');
    }
  }
}

/** Before the services: probes must be answered while they start, and results offered by them fetched. */
async function prepare(): Promise<BrokerOptions['middlewares']> {
  const { claimNodeId, prepareTransporterTopics, TransporterCleaner } = await import('./lib/stream/kafka.ts');
  const transporter = { config, nodeId: nodeID, logger, clock };
  // The listener first: while Kafka is away nothing else holds the process (the clock's timers do not).
  logger.info({ port: await runtime.listen() }, 'internal listener open');
  const { isNewNode } = await untilKafkaAnswers(() => prepareTransporterTopics(transporter));
  return [
    holdNodeId({
      logger,
      claim: (instanceId) => untilKafkaAnswers(() => claimNodeId({ ...transporter, instanceId, isNewNode })),
      onLost: (error) => lifecycle?.leave(error.message),
    }),
    removeTransporterTraces({
      nodeId: nodeID,
      group,
      clock,
      logger,
      traces: () => new TransporterCleaner(transporter),
    }),
  ];
}

const shared = createBrokerOptions(config, nodeID, {
  metrics: runtime.metrics,
  clock,
  watch,
  group,
  logger: runtime.logger,
});
const options: BrokerOptions = {
  ...shared,
  middlewares: [...(shared.middlewares ?? []), ...((await prepare().catch(failStart)) ?? [])],
  started() {
    isStarted = true;
  },
  created(broker: ServiceBroker) {
    attachRuntime(broker, runtime);
    lifecycle = ownProcessLifecycle(broker, {
      logger,
      close: () => runtime.close(),
      plannedStopMs: config.drainLimitMs,
    });
    renewTransporter(broker, {
      clock,
      logger,
      nextGroup: newGroup,
      onLost: (reason) => lifecycle?.leave(reason),
    });
  },
};

const withheld = withholdFromRunner(process.env, options);
if (withheld.length > 0)
  logger.info({ withheld }, 'variables by names of Moleculer’s options have no effect');

export default options;
