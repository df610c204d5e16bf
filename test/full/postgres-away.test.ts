import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { startPostgres, type RunningPostgres } from '../../scripts/dev/postgres.ts';
import type { Stream } from '../../lib/stream/port.ts';
import { openStream, sharedBrokers } from '../kafka/support/kafka-harness.ts';
import { RawClient } from '../support/raw-client.ts';
import { startTestCluster, type TestCluster } from '../support/cluster.ts';
import { gatherAndJudge, untilQuiet } from '../support/recording/gather.ts';
import { StoreReader } from '../support/recording/read-store.ts';
import { RecordingClient } from '../support/recording/recording-client.ts';
import { waitFor } from '../support/wait.ts';

// Processes that start again, a database that is away; every wait inside has a deadline of its own.
jest.setTimeout(900_000);

const AWAY_MS = 20_000;
const SLOW = { timeoutMs: 120_000 };
const TYPING_MS = 100;
const PARTITIONS = 4;
const DOC_TOPIC = `away-${randomBytes(4).toString('hex')}-doc`;

let postgres: RunningPostgres;
let cluster: TestCluster;
let stream: Stream;
let store: StoreReader;
const all: RecordingClient[] = [];
let typing: NodeJS.Timeout | undefined;

beforeAll(async () => {
  postgres = await startPostgres();
  cluster = await startTestCluster({
    databaseUrl: postgres.url,
    env: { YKAFKA_TOPIC_PATTERN: DOC_TOPIC.replace(/doc$/, '{channel}'), PARTITIONS: String(PARTITIONS) },
  });
  stream = await openStream(sharedBrokers());
  store = new StoreReader(postgres.url);
});

afterAll(async () => {
  clearInterval(typing);
  for (const client of all) client.close();
  await Promise.all([stream?.close(), store?.close(), cluster?.stop()]);
  await postgres?.stop();
});

const processOf = (name: string) => cluster.processes.get(name)!;

/** Somebody at one of the gateways. */
function person(room: string, gateway: number): RecordingClient {
  const client = new RecordingClient({
    urls: [cluster.urls[gateway]!],
    room,
    name: `${room}${all.length}`,
  });
  all.push(client);
  return client;
}

async function peopleOf(room: string): Promise<RecordingClient[]> {
  const people = [person(room, 0), person(room, 1)];
  await waitFor(() => people.every(({ isSynced }) => isSynced), { ...SLOW, what: `people of ${room}` });
  return people;
}

const highest = (people: readonly RecordingClient[]) =>
  Math.max(...people.flatMap(({ acks }) => acks.map(({ position }) => position.offset)));

const standsAt = (client: RecordingClient) => client.manager.documentState('text')?.position?.offset ?? -1;

/** So many updates more of each are acked, and everything that was acked by then has reached everybody. */
async function roomWorks(people: readonly RecordingClient[], what: string): Promise<void> {
  const before = people.map(({ acks }) => acks.length);
  await waitFor(() => people.every(({ acks }, at) => acks.length >= before[at]! + 5), {
    ...SLOW,
    what: `acks ${what}`,
  });
  const reached = highest(people);
  await waitFor(() => people.every((client) => standsAt(client) >= reached), {
    ...SLOW,
    what: `fan-out ${what}`,
  });
}

async function readiness(name: string) {
  const response = await fetch(`${processOf(name).internalUrl}/health/ready`);
  return { status: response.status, report: (await response.json()) as { db: string; parts: object } };
}

/** The join of a room that nobody can say anything of now is refused, for a while only. */
async function expectWaitingRoom(url: string, roomId: string): Promise<void> {
  const asking = await RawClient.connect(url);
  try {
    const answer = await asking.ask('join', { roomId, docId: 'text', senderId: asking.senderId });
    expect(answer).toMatchObject({ ok: false, code: 'UNAVAILABLE', permanent: false });
  } finally {
    asking.socket.disconnect();
  }
}

/** Of the process as it runs now. */
const hasLogged = (name: string, phrase: string) =>
  processOf(name).lines.some((line) => line.includes(`"${phrase}"`));

describe('PostgreSQL killed and away for 20 s', () => {
  it('acks and fan-out go on, a room that is known can be joined, the others wait; then all is stored', async () => {
    const gone = [...(await peopleOf('cold')), ...(await peopleOf('warm'))];
    for (const client of gone) for (let n = 0; n < 20; n++) client.edit(Math.random);
    await untilQuiet(gone);
    const acked = gone.reduce((sum, { acks }) => sum + acks.length, 0);
    await waitFor(async () => (await store.rows()).length >= acked, { ...SLOW, what: 'it is stored' });
    for (const client of gone) client.close();
    // Nothing of the cold room is in its memory; of the other one there is, since somebody comes before the outage.
    await processOf('fastsync-1').end('SIGKILL');
    await cluster.restart('fastsync-1');
    const people = await peopleOf('warm');
    typing = setInterval(() => people.forEach((client) => client.edit(Math.random)), TYPING_MS);
    await roomWorks(people, 'before the outage');

    await postgres.kill('SIGKILL');
    const killedAt = performance.now();
    await roomWorks(people, 'right after the kill');
    await waitFor(() => hasLogged('persister-1', 'the store does not answer: calls to it are refused'), {
      ...SLOW,
      what: 'the circuit of the persister is open',
    });
    for (const name of ['persister-1', 'fastsync-1'])
      await waitFor(async () => (await readiness(name)).status === 503, {
        ...SLOW,
        what: `${name} says that it is not ready`,
      });
    await waitFor(
      async () => {
        const { report } = await readiness('persister-1');
        expect(report).toMatchObject({ db: 'down', parts: { persister: { storeOut: true } } });
        return true;
      },
      { ...SLOW, what: 'the persister says why' },
    );
    for (const name of ['gateway-1', 'gateway-2'])
      await waitFor(async () => (await readiness(name)).status === 200, {
        ...SLOW,
        what: `${name} is ready`,
      });

    const newcomers = [person('warm', 0), person('warm', 1)];
    await waitFor(() => newcomers.every(({ isSynced }) => isSynced), {
      ...SLOW,
      what: 'newcomers of the known room, from the log and what is cached',
    });
    for (const url of cluster.urls) await expectWaitingRoom(url, 'cold');
    const waiting = [person('cold', 0), person('cold', 1)];
    people.push(...newcomers);
    // The outage itself is the condition: everybody has to live through all of it.
    do await roomWorks(people, 'while PostgreSQL is away');
    while (performance.now() - killedAt < AWAY_MS);
    expect(waiting.map(({ hasJoined }) => hasJoined)).toEqual([false, false]);

    await postgres.restart();
    await waitFor(() => waiting.every(({ isSynced }) => isSynced), {
      ...SLOW,
      what: 'those of the cold room come in by themselves',
    });
    await roomWorks(people, 'after the outage');
    for (const process of cluster.processes.values()) await process.waitUntilReady();
    clearInterval(typing);

    const clients = [...people, ...waiting];
    await untilQuiet(clients);
    const verdict = await gatherAndJudge({
      urls: cluster.urls,
      clients,
      acks: all.flatMap(({ acks }) => acks),
      rooms: ['warm', 'cold'],
      stream,
      store,
      docTopic: DOC_TOPIC,
      partitions: PARTITIONS,
    });
    expect(verdict).toMatchObject({ violations: [], lost: 0, quarantined: 0 });
    expect((await store.rows()).length).toBe(verdict.records);
    expect(all.flatMap(({ complaints }) => complaints)).toEqual([]);
    expect(cluster.complaints.filter((line) => line.includes('died'))).toEqual([]);
    process.stdout.write(`PostgreSQL away: ${verdict.acked} acked, ${verdict.records} records\n`);
  });
});
