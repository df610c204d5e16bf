import { ServiceBroker } from 'moleculer';
import { ownProcessLifecycle } from '../../lib/broker/lifecycle.ts';
import { silentLogger, type Logger } from '../../lib/log.ts';

/** A process with one service; the first argument says what is wrong with its end. It says `up` when it has started. */
const [fault] = process.argv.slice(2);
const say = (_: unknown, message: string) => void process.stdout.write(`${message}\n`);
// In order, also into a pipe that is full for a moment.
const logger: Logger = { ...silentLogger, info: say, error: say };
const broker = new ServiceBroker({ nodeID: 'child', logger: false, skipProcessEventRegistration: true });
broker.createService({
  name: 'ending',
  stopped() {
    logger.info({}, 'the service stops');
    if (fault === 'stopped-throws') throw new Error('it cannot stop');
    return fault === 'stopped-hangs' ? new Promise<void>(() => undefined) : Promise.resolve();
  },
});
const lifecycle = ownProcessLifecycle(broker, {
  logger,
  stopLimitMs: fault === 'stopped-hangs' ? 500 : 60_000,
  close() {
    logger.info({}, 'closed');
    return fault === 'close-rejects' ? Promise.reject(new Error('it cannot close')) : Promise.resolve();
  },
});
// Nothing but the tasks of the test holds the process.
setInterval(() => undefined, 60_000);
await broker.start();
logger.info({}, 'up');
if (fault === 'rejection') void Promise.reject(new Error('nobody waits for it'));
if (fault === 'leave') lifecycle.leave('it is of no use any more');
