import { randomBytes, randomUUID } from 'node:crypto';
import { afterEach, expect, describe, it } from '@jest/globals';
import { ServiceBroker } from 'moleculer';
import { createBrokerOptions } from '../../lib/broker/options.ts';
import { renewTransporter } from '../../lib/broker/transporter-renewal.ts';
import { systemClock } from '../../lib/clock.ts';
import { loadConfig } from '../../lib/config.ts';
import { silentLogger } from '../../lib/log.ts';
import { prepareTransporterTopics } from '../../lib/stream/kafka.ts';
import { transporterGroup } from '../../lib/stream/kafka/transporter-names.ts';
import { waitFor } from '../support/wait.ts';

const kafkaBrokers = process.env.KAFKA_BROKERS?.split(',') ?? [];
const namespace = `renewal-${randomBytes(4).toString('hex')}`;
const config = loadConfig({}, { mode: 'cluster', kafkaBrokers, namespace, logLevel: 'error' });
const SLOW = { timeoutMs: 60_000 };

const stopping: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stopping.splice(0).reverse()) await stop();
});

interface Transporter {
  consumerStream: { destroy(error: Error): void };
  makeSubscriptions(topics: unknown): Promise<void>;
}

async function startNode(nodeId: string, limitMs = SLOW.timeoutMs) {
  const newGroup = () => transporterGroup(namespace, nodeId, randomUUID());
  await prepareTransporterTopics({ config, nodeId, logger: silentLogger, clock: systemClock });
  const options = createBrokerOptions(config, nodeId, { group: newGroup() });
  const broker = new ServiceBroker({ ...options, logger: false, requestTimeout: 2_000 });
  const lost: string[] = [];
  renewTransporter(broker, {
    clock: systemClock,
    logger: silentLogger,
    nextGroup: newGroup,
    onLost: (reason) => lost.push(reason),
    limitMs,
  });
  broker.createService({ name: nodeId, actions: { name: () => nodeId } });
  await broker.start();
  stopping.push(() => broker.stop());
  const transporter = (broker.transit as unknown as { tx: Transporter }).tx;
  return { broker, lost, transporter };
}

describe('renewTransporter', () => {
  it('a node whose consumer has failed for good hears again, and is told who is there', async () => {
    const [ann, bob] = [await startNode('ann'), await startNode('bob')];
    const reaches = (from: typeof ann, name: string) => () =>
      from.broker.call(`${name}.name`).then(
        (answer) => answer === name,
        () => false,
      );
    await waitFor(reaches(ann, 'bob'), SLOW);
    for (let time = 1; time <= 2; time++) {
      bob.transporter.consumerStream.destroy(new Error('an answer that the library takes for final'));
      await waitFor(reaches(ann, 'bob'), SLOW); // it hears requests
      await waitFor(reaches(bob, 'ann'), SLOW); // it hears answers
    }
    expect(bob.lost).toEqual([]);
  });

  it('says that it is lost when no consumer can be made for a while', async () => {
    const { transporter, lost } = await startNode('carol', 3_000);
    transporter.makeSubscriptions = () => Promise.reject(new Error('no broker takes it'));
    transporter.consumerStream.destroy(new Error('an answer that the library takes for final'));
    await waitFor(() => lost.length > 0, SLOW);
    expect(lost).toEqual([expect.stringContaining('an answer that the library takes for final')]);
  });
});
