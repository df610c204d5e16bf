import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Admin, Consumer } from '@platformatic/kafka';
import { systemClock, type Clock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { prepareTransporterTopics, TransporterCleaner } from '../../lib/stream/kafka.ts';
import { nodeTopics, transporterGroup } from '../../lib/stream/kafka/transporter-names.ts';
import { waitFor } from '../support/wait.ts';

const brokers = process.env.KAFKA_BROKERS?.split(',') ?? [];
const namespace = `clean-${randomBytes(4).toString('hex')}`;
const config = { kafkaBrokers: brokers, namespace, replicationFactor: 1, minInsyncReplicas: 1 };
const options = { config, logger: silentLogger, clock: systemClock };

const SLOW = { timeoutMs: 90_000 };

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function cleaner(clock: Clock = systemClock): TransporterCleaner {
  const made = new TransporterCleaner({ ...options, clock, nodeId: 'cleaner' });
  closing.push(() => made.close());
  return made;
}

function adminOf(): Admin {
  const admin = new Admin({ clientId: 'test', bootstrapBrokers: brokers });
  closing.push(() => admin.close());
  return admin;
}

/** What a node does to Kafka when it starts; `die` leaves a group without members. */
async function startNode(
  nodeId: string,
  start: string,
): Promise<{ group: string; die: () => Promise<void> }> {
  await prepareTransporterTopics({ ...options, nodeId });
  const group = transporterGroup(namespace, nodeId, start);
  const consumer = new Consumer({ clientId: nodeId, groupId: group, bootstrapBrokers: brokers });
  const stream = await consumer.consume({ topics: nodeTopics(namespace, nodeId), autocommit: true });
  let isOver = false;
  const die = async () => {
    if (isOver) return;
    isOver = true;
    await stream.close();
    await consumer.close();
  };
  closing.push(die);
  return { group, die };
}

async function groupsOf(admin: Admin): Promise<string[]> {
  return [...(await admin.listGroups()).keys()].filter((group) => group.includes(namespace)).sort();
}

async function topicsOf(admin: Admin): Promise<string[]> {
  return (await admin.listTopics()).filter((topic) => topic.includes(`${namespace}.`)).sort();
}

describe('what nodes of the transporter leave in Kafka', () => {
  it('the holder of a node id removes groups of its former starts, never one that has a member', async () => {
    const [former, present, other] = [
      await startNode('a', 'former'),
      await startNode('a', 'present'),
      await startNode('b', 'former'),
    ];
    await former.die();
    await other.die();
    const admin = adminOf();
    expect(await groupsOf(admin)).toEqual([former.group, present.group, other.group].sort());
    expect(await cleaner().forgetFormerStarts('a', transporterGroup(namespace, 'a', 'own'))).toEqual([
      former.group,
    ]);
    expect(await groupsOf(admin)).toEqual([present.group, other.group].sort());
    await cleaner().forgetStart(present.group);
    expect(await groupsOf(admin)).toContain(present.group);
  });

  it('topics and groups of vanished nodes go, those of living ones stay', async () => {
    const living = await startNode('living', 'one');
    const gone = await startNode('gone', 'one');
    const told = await startNode('told', 'one');
    await gone.die();
    await told.die();
    const admin = adminOf();
    const { topics, groups } = await cleaner().forgetVanishedNodes({ living: ['told'], lookAgainMs: 200 });
    expect(topics).toEqual(expect.arrayContaining(nodeTopics(namespace, 'gone')));
    expect(groups).toContain(gone.group);
    await waitFor(async () => !(await topicsOf(admin)).some((topic) => topic.endsWith('.gone')), SLOW);
    const left = await topicsOf(admin);
    for (const node of ['living', 'told'])
      expect(left).toEqual(expect.arrayContaining(nodeTopics(namespace, node)));
    expect(await groupsOf(admin)).toEqual(expect.arrayContaining([living.group, told.group]));
    expect(left).toEqual(expect.arrayContaining([`MOL-${namespace}.HEARTBEAT`]));
  });

  it('a node that starts between the two looks stays', async () => {
    const node = await startNode('starting', 'one');
    await node.die();
    const lookAgainMs = 2_000;
    const [looked, started] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const clock: Clock = {
      ...systemClock,
      setTimeout: (callback, delayMs) => {
        if (delayMs !== lookAgainMs) return systemClock.setTimeout(callback, delayMs);
        looked.resolve();
        void started.promise.then(callback);
        return { cancel: () => undefined };
      },
    };
    const cleaning = cleaner(clock).forgetVanishedNodes({ lookAgainMs });
    await looked.promise;
    await startNode('starting', 'two');
    started.resolve();
    const { topics } = await cleaning;
    expect(topics.filter((topic) => topic.endsWith('.starting'))).toEqual([]);
  });
});
