import { randomUUID } from 'node:crypto';
import { ServiceBroker } from 'moleculer';
import { holdNodeId } from '../lib/broker/node-claim.ts';
import { createBrokerOptions } from '../lib/broker/options.ts';
import { removeTransporterTraces } from '../lib/broker/transporter-traces.ts';
import { systemClock as clock } from '../lib/clock.ts';
import { loadConfig, type Config } from '../lib/config.ts';
import { isAppError } from '../lib/errors.ts';
import { createLogger } from '../lib/log.ts';
import { claimNodeId, prepareTransporterTopics, TransporterCleaner } from '../lib/stream/kafka.ts';
import { transporterGroup } from '../lib/stream/kafka/transporter-names.ts';

const DISCOVERY_MS = 10_000;
const LOOK_AGAIN_MS = 30_000;
/** People who look at one cluster at the same time. */
const MAX_REPLS = 9;

/** A node id that nobody uses now: ids by process would leave topics for ever. */
async function claimId(config: Config): Promise<{ nodeId: string; order: number }> {
  const logger = createLogger(config.logLevel);
  for (let n = 1; ; n++) {
    const nodeId = config.nodeId || (n === 1 ? 'repl' : `repl-${n}`);
    const transporter = { config, nodeId, logger, clock };
    const { isNewNode } = await prepareTransporterTopics(transporter);
    try {
      return { nodeId, order: await claimNodeId({ ...transporter, instanceId: randomUUID(), isNewNode }) };
    } catch (error) {
      if (!isAppError(error, 'NODE_ID_TAKEN') || config.nodeId || n === MAX_REPLS) throw error;
    }
  }
}

async function listRooms(broker: ServiceBroker): Promise<void> {
  const nodes = broker.registry.getNodeList({ onlyAvailable: true, withServices: true });
  for (const node of nodes.filter(({ services }) => services.some(({ name }) => name === 'gateway'))) {
    const rooms = await broker.call('gateway.rooms.list', {}, { nodeID: node.id });
    console.log(node.id, JSON.stringify(rooms, null, 2));
  }
}

async function forgetVanishedNodes(broker: ServiceBroker, cleaner: TransporterCleaner): Promise<void> {
  console.log(`Looking twice, ${LOOK_AGAIN_MS / 1000} s apart …`);
  const living = broker.registry.getNodeList({ onlyAvailable: true }).map(({ id }) => id);
  console.log(await cleaner.forgetVanishedNodes({ living, lookAgainMs: LOOK_AGAIN_MS }));
}

/** `npm run repl`: joins the cluster as a node without services and opens Moleculer's REPL. */
try {
  const config = loadConfig({ YKAFKA_LOG_LEVEL: 'error', ...process.env }, { mode: 'cluster' });
  const { nodeId, order } = await claimId(config);
  const logger = createLogger(config.logLevel, { node: nodeId });
  const group = transporterGroup(config.namespace, nodeId, randomUUID());
  const cleaner = () => new TransporterCleaner({ config, nodeId, logger, clock });
  const options = createBrokerOptions(config, nodeId, { group });
  const broker = new ServiceBroker({
    ...options,
    middlewares: [
      ...(options.middlewares ?? []),
      holdNodeId({ logger, claim: () => Promise.resolve(order), onLost: end }),
      removeTransporterTraces({ nodeId, group, clock, logger, traces: cleaner }),
    ],
    replOptions: {
      delimiter: 'y-kafka $',
      customCommands: [
        {
          command: 'rooms',
          description: 'Rooms, documents and sessions of every gateway',
          action: listRooms,
        },
        {
          command: 'clean',
          description: 'Delete topics and consumer groups of nodes that are gone; stop no process meanwhile',
          action: async (own: ServiceBroker) => {
            const open = cleaner();
            await forgetVanishedNodes(own, open).finally(() => open.close());
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
  end(error);
}

function end(error: unknown): never {
  process.stderr.write(`The REPL could not go on.\n${isAppError(error) ? error.message : String(error)}\n`);
  process.exit(1);
}
