import { ServiceBroker } from 'moleculer';
import { createBrokerOptions } from '../lib/broker/options.ts';
import { loadConfig } from '../lib/config.ts';
import { isAppError } from '../lib/errors.ts';

const DISCOVERY_MS = 10_000;

/** `npm run repl`: joins the cluster as a node without services and opens Moleculer's REPL. */
try {
  const config = loadConfig({ YKAFKA_LOG_LEVEL: 'error', ...process.env }, { mode: 'cluster' });
  const options = createBrokerOptions(config, config.nodeId || 'repl');
  const broker = new ServiceBroker({
    ...options,
    replOptions: {
      delimiter: 'y-kafka $',
      customCommands: [
        {
          command: 'rooms',
          description: 'Rooms, documents and sessions of every gateway',
          action: async (own: ServiceBroker) => {
            const nodes = own.registry.getNodeList({ onlyAvailable: true, withServices: true });
            for (const node of nodes.filter((found) =>
              found.services.some((service) => service.name === 'gateway'),
            )) {
              console.log(
                node.id,
                JSON.stringify(await own.call('gateway.rooms.list', {}, { nodeID: node.id }), null, 2),
              );
            }
          },
        },
      ],
    },
  } as ConstructorParameters<typeof ServiceBroker>[0]);
  await broker.start();
  await broker.waitForServices(['gateway', 'fastsync', 'persister', 'codec'], DISCOVERY_MS).catch(() => {
    process.stdout.write(`Not every service was found within ${DISCOVERY_MS / 1000} s; see: nodes\n`);
  });
  broker.repl();
} catch (error) {
  process.stderr.write(`The REPL could not start.\n${isAppError(error) ? error.message : String(error)}\n`);
  process.exit(1);
}
