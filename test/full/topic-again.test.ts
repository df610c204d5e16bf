import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Admin } from 'kafkajs';
import * as Y from 'yjs';
import type { Stream } from '../../lib/stream/port.ts';
import { partitionOf } from '../../lib/stream/partitions.ts';
import { openAdmin, openStream, sharedBrokers } from '../kafka/support/kafka-harness.ts';
import { startTestCluster, type TestCluster } from '../support/cluster.ts';
import { updateRecord } from '../support/log-records.ts';
import { judge } from '../support/oracle/index.ts';
import { RawClient } from '../support/raw-client.ts';
import { untilQuiet } from '../support/recording/gather.ts';
import { StoreReader } from '../support/recording/read-store.ts';
import { RecordingClient } from '../support/recording/recording-client.ts';
import { waitFor } from '../support/wait.ts';

// Processes that start again; every wait inside has a deadline of its own.
jest.setTimeout(900_000);

const SLOW = { timeoutMs: 120_000 };
const TYPING_MS = 100;
const PARTITIONS = 2;
const ROOMS = ['one', 'two', 'three'];
const PERSISTERS = ['persister-1', 'persister-2'];
const id = randomBytes(4).toString('hex');
const TOPIC = `again${id}-doc`;

let cluster: TestCluster;
let stream: Stream;
let admin: Admin;
let store: StoreReader;
const people: RecordingClient[] = [];
let typing: NodeJS.Timeout | undefined;

beforeAll(async () => {
  cluster = await startTestCluster({
    replicas: { persister: 2 },
    env: {
      YKAFKA_TOPIC_PATTERN: TOPIC.replace(/doc$/, '{channel}'),
      PARTITIONS: String(PARTITIONS),
      YKAFKA_APPEND_TIMEOUT_MS: '2000',
    },
  });
  stream = await openStream(sharedBrokers());
  admin = await openAdmin(sharedBrokers());
  store = new StoreReader(cluster.databaseUrl);
});

afterAll(async () => {
  clearInterval(typing);
  for (const client of people) client.close();
  await Promise.all([stream?.close(), store?.close(), admin?.disconnect(), cluster?.stop()]);
});

const processOf = (name: string) => cluster.processes.get(name)!;

const startTyping = () =>
  void (typing = setInterval(() => people.forEach((client) => client.edit(Math.random)), TYPING_MS));

function person(room: string, gateway: number): RecordingClient {
  const [first, second] = cluster.urls as [string, string];
  const urls = gateway === 0 ? [first, second] : [second, first];
  return new RecordingClient({ urls, room, name: `${room}${people.length}` });
}

/** Somebody new at each gateway in each room. */
async function comeIn(): Promise<void> {
  const coming = ROOMS.flatMap((room) => [person(room, 0), person(room, 1)]);
  people.push(...coming);
  await waitFor(() => coming.every(({ isSynced }) => isSynced), { ...SLOW, what: 'all have joined' });
}

async function untilAcked(count: number, what: string): Promise<void> {
  const before = new Map(people.map((client) => [client, client.acks.length]));
  await waitFor(() => people.every((client) => client.acks.length >= before.get(client)! + count), {
    ...SLOW,
    what,
  });
}

const ends = () =>
  Promise.all(
    Array.from({ length: PARTITIONS }, (_, partition) => stream.endOffset({ topic: TOPIC, partition })),
  );

/** Nobody types, and all of the log is stored. Where the log ends. */
async function untilStored(): Promise<number[]> {
  clearInterval(typing);
  await untilQuiet(people, SLOW.timeoutMs);
  const epoch = await store.epochOf(TOPIC);
  await waitFor(
    async () => {
      const stored = await store.positions(epoch);
      return (await ends()).every((end, partition) => (stored.get(partition) ?? 0) >= end);
    },
    { ...SLOW, what: 'all is stored' },
  );
  return ends();
}

async function deleteTopic(): Promise<void> {
  await admin.deleteTopics({ topics: [TOPIC] });
  await waitFor(async () => !(await admin.listTopics()).includes(TOPIC), {
    ...SLOW,
    what: 'it is gone',
  });
}

const makeTopic = () => stream.ensureTopics([{ topic: TOPIC, kind: 'doc', partitions: PARTITIONS }]);

/** By somebody else, so that the new topic is soon longer than the old one was. */
async function fillBeyond(oldEnds: readonly number[]): Promise<void> {
  for (const room of ROOMS) {
    const partition = partitionOf('default', room, PARTITIONS);
    const document = { tenantId: 'default', roomId: room, docId: 'text' };
    const doc = new Y.Doc();
    const senderId = randomBytes(16).toString('hex');
    const records = Array.from({ length: oldEnds[partition]! + 20 }, (_, n) => {
      const before = Y.encodeStateVector(doc);
      doc.getText('text').insert(0, '.');
      const update = Y.encodeStateAsUpdate(doc, before);
      return updateRecord(document, update, { senderId, version: n + 1, generation: 1 });
    });
    await stream.append({ topic: TOPIC, partition }, records);
  }
}

/** What a join is answered, as somebody who comes with nothing. */
async function answerTo(url: string, roomId: string) {
  const asking = await RawClient.connect(url);
  try {
    return await asking.ask('join', { roomId, docId: 'text', senderId: asking.senderId });
  } finally {
    asking.socket.disconnect();
  }
}

const REFUSAL = { ok: false, code: 'UNAVAILABLE', permanent: false };

async function untilRefused(): Promise<void> {
  for (const url of cluster.urls)
    for (const room of ROOMS)
      await waitFor(async () => !(await answerTo(url, room)).ok, { ...SLOW, what: `${room} is refused` });
  for (const url of cluster.urls)
    for (const room of ROOMS) expect(await answerTo(url, room)).toMatchObject(REFUSAL);
}

async function readiness(name: string): Promise<number> {
  return (await fetch(`${processOf(name).internalUrl}/health/ready`)).status;
}

/** As docs/troubleshooting.md says: one process is started with the topic's name; all others go on by themselves. */
async function adopt(): Promise<void> {
  const [name] = PERSISTERS as [string];
  await processOf(name).end('SIGTERM');
  processOf(name).environment.YKAFKA_ADOPT_TOPICS = TOPIC;
  await cluster.restart(name);
  delete processOf(name).environment.YKAFKA_ADOPT_TOPICS;
}

/** Everything goes on with a new epoch, and holds what it held before. */
async function expectAllGoesOn(oldEpoch: number): Promise<void> {
  const acksBefore = people.map(({ acks }) => acks.length);
  for (const process of cluster.processes.values()) await process.waitUntilReady();
  await untilAcked(10, 'acks come again');
  await comeIn();
  await untilAcked(5, 'and on');
  await untilStored();
  const epoch = await store.epochOf(TOPIC);
  expect(epoch).toBeGreaterThan(oldEpoch);
  const acked = people.flatMap(({ acks }, at) => acks.slice(acksBefore[at]));
  expect(new Set(acked.map(({ position }) => position.epoch))).toEqual(new Set([epoch]));
  const fresh: RecordingClient[] = ROOMS.map((room, at) => person(room, at % 2));
  try {
    await waitFor(() => fresh.every(({ isSynced }) => isSynced), { ...SLOW, what: 'newcomers' });
    const verdict = judge({
      acks: people.flatMap(({ acks }) => acks),
      states: [...fresh.map((client) => client.state(true)), ...people.map((client) => client.state())],
      rows: await store.rows(),
      quarantined: await store.quarantined(),
    });
    expect(verdict).toMatchObject({ violations: [], lost: 0, quarantined: 0 });
  } finally {
    for (const client of fresh) client.close();
  }
  expect(people.flatMap(({ complaints }) => complaints)).toEqual([]);
  expect(cluster.complaints.filter((line) => line.includes('died'))).toEqual([]);
}

describe('the topic of the documents, deleted and made again under a running cluster', () => {
  it('nothing is acked in the name of the old one; all stands still and says so, until it is adopted', async () => {
    await comeIn();
    startTyping();
    await untilAcked(20, 'all type');
    const oldEnds = await untilStored();
    const oldEpoch = await store.epochOf(TOPIC);
    const rows = (await store.rows()).length;
    // What is known of the topic is as fresh as can be: somebody has just come.
    await comeIn();
    const acksBefore = people.map(({ acks }) => acks.length);

    await deleteTopic();
    await makeTopic();
    await fillBeyond(oldEnds);
    startTyping();
    for (const client of people) client.nacks.length = 0;
    await waitFor(() => people.every(({ nacks }) => nacks.length > 2), {
      ...SLOW,
      what: 'everybody is told that nothing is known durable',
    });
    expect(people.flatMap(({ nacks }) => nacks).filter(({ permanent }) => permanent)).toEqual([]);
    await untilRefused();
    for (const name of PERSISTERS)
      await waitFor(async () => (await readiness(name)) === 503, {
        ...SLOW,
        what: `${name} says that it stands still`,
      });
    expect(people.map(({ acks }) => acks.length)).toEqual(acksBefore);
    expect((await store.rows()).length).toBe(rows);
    expect(await store.epochOf(TOPIC)).toBe(oldEpoch);

    await adopt();
    await expectAllGoesOn(oldEpoch);
  });

  it('while it is missing nobody is shown an empty document, also by a process that has never seen the old one', async () => {
    const oldEpoch = await store.epochOf(TOPIC);
    await deleteTopic();
    await processOf('fastsync-1').end('SIGKILL');
    await cluster.restart('fastsync-1');
    await untilRefused();
    await makeTopic();
    await untilRefused();
    startTyping();
    await adopt();
    await expectAllGoesOn(oldEpoch);
  });
});
