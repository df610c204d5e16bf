import { hostname } from 'node:os';
import type { BrokerOptions, ServiceBroker } from 'moleculer';
import { createRuntime } from './lib/broker/open-runtime.ts';
import { ownProcessLifecycle } from './lib/broker/lifecycle.ts';
import { createBrokerOptions } from './lib/broker/options.ts';
import { attachRuntime } from './lib/broker/runtime.ts';
import { isStartedByFaultSuite, loadConfig, type Config } from './lib/config.ts';
import { isAppError } from './lib/errors.ts';
import { openFailpoints } from './lib/failpoints.ts';
import { createLogger } from './lib/log.ts';

/**
 * The configuration of a service's own process:
 *   moleculer-runner --config moleculer.config.ts services/<name>.service.ts
 * The node id is stable (YKAFKA_NODE_ID, else the host name), because the transporter makes topics for each.
 */
function readConfig(): Config {
  try {
    return loadConfig(process.env, { mode: 'cluster' });
  } catch (error) {
    if (!isAppError(error, 'BAD_CONFIG')) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}

const config = readConfig();
const nodeID = config.nodeId || hostname().replaceAll('.', '-');
const logger = createLogger(config.logLevel, { node: nodeID });
openFailpoints(isStartedByFaultSuite());
const runtime = createRuntime({ config, logger, nodeId: nodeID });

if (config.kafkaBrokers.length > 0) {
  const { prepareTransporterTopics } = await import('./lib/stream/kafka.ts');
  await prepareTransporterTopics({ config, nodeId: nodeID, logger });
}

// Before the services: probes must be answered while they start, and results offered by them fetched.
logger.info({ port: await runtime.listen() }, 'internal listener open');

const options: BrokerOptions = {
  ...createBrokerOptions(config, nodeID),
  created(broker: ServiceBroker) {
    attachRuntime(broker, runtime);
    ownProcessLifecycle(broker, { logger, close: () => runtime.close() });
  },
};

export default options;
