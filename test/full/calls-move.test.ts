import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { readChange } from '../../lib/lifecycle/announcement.ts';
import { documentKey } from '../../lib/protocol/ids.ts';
import type { Stream } from '../../lib/stream/port.ts';
import { openStream, sharedBrokers } from '../kafka/support/kafka-harness.ts';
import { startTestCluster, type TestCluster } from '../support/cluster.ts';
import { Operator } from '../support/operator.ts';
import { gatherAndJudge, untilQuiet } from '../support/recording/gather.ts';
import { StoreReader } from '../support/recording/read-store.ts';
import { RecordingClient } from '../support/recording/recording-client.ts';
import { Stopwatch } from '../support/stopwatch.ts';
import { waitFor } from '../support/wait.ts';

// Processes that freeze, die and come back; every wait inside has a deadline of its own.
jest.setTimeout(900_000);

const SLOW = { timeoutMs: 120_000 };
const ROOMS = 20;
const JOINS = 200;
/** So many are about to ask when the process freezes, or dies. */
const BEFORE = 40;
/** In which as many join when nothing is wrong. A machine that is slow already has as much more time for the rest. */
const USUAL_MS = 4_000;
/** A node is taken as gone after 6 s of silence; then its calls go to others, and joins as usual. */
const LIMIT_MS = 25_000;
const PARTITIONS = 4;
const id = randomBytes(4).toString('hex');

let cluster: TestCluster;
let operator: Operator;
let stream: Stream;
let store: StoreReader;
let slowness = 1;
const all: RecordingClient[] = [];

beforeAll(async () => {
  const namespace = `move-${id}`;
  cluster = await startTestCluster({
    replicas: { fastsync: 2, persister: 2, codec: 2 },
    env: {
      YKAFKA_NAMESPACE: namespace,
      YKAFKA_TOPIC_PATTERN: `m${id}-{channel}`,
      PARTITIONS: String(PARTITIONS),
    },
  });
  operator = await Operator.join(namespace, sharedBrokers());
  stream = await openStream(sharedBrokers());
  store = new StoreReader(cluster.databaseUrl);
});

afterEach(() => {
  for (const client of all.splice(0)) client.close();
});

afterAll(async () => {
  for (const process of cluster?.processes.values() ?? []) process.signal('SIGCONT');
  await Promise.all([operator?.stop(), stream?.close(), store?.close()]);
  await cluster?.stop();
});

const processOf = (name: string) => cluster.processes.get(name)!;

/** They join one of the rooms each, at the gateways by turns. */
function come(group: string, count: number): RecordingClient[] {
  const [first, second] = cluster.urls as [string, string];
  const coming = Array.from({ length: count }, (_, n) => {
    const urls = n % 2 === 0 ? [first, second] : [second, first];
    return new RecordingClient({ urls, room: `room${n % ROOMS}`, name: `${group}${n}` });
  });
  all.push(...coming);
  return coming;
}

async function untilSynced(clients: readonly RecordingClient[]): Promise<number> {
  const watch = new Stopwatch();
  try {
    await waitFor(() => clients.every(({ isSynced }) => isSynced), { ...SLOW, what: 'all have joined' });
  } finally {
    watch.stop();
  }
  return watch.ms;
}

/** The sum over all labels of a counter of one process. */
async function counted(name: string, metric: string): Promise<number> {
  const response = await fetch(`${processOf(name).internalUrl}/metrics`);
  const lines = (await response.text()).split('\n').filter((line) => new RegExp(`^${metric}[{ ]`).test(line));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

const retries = async () =>
  (await counted('gateway-1', 'ykafka_call_retries_total')) +
  (await counted('gateway-2', 'ykafka_call_retries_total'));
const answersOf = (name: string) => counted(name, 'ykafka_sync_answers_total');

/** Joins while `happens`: all succeed in bounded time, and some by having been asked elsewhere. */
async function expectJoins(group: string, happens: () => void): Promise<RecordingClient[]> {
  const movedBefore = await retries();
  const watch = new Stopwatch();
  const early = come(group, BEFORE);
  happens();
  const clients = [...early, ...come(`${group}-late`, JOINS - BEFORE)];
  await untilSynced(clients);
  const tookMs = watch.stop();
  const moved = (await retries()) - movedBefore;
  process.stdout.write(`${group}: ${JOINS} joins in ${Math.round(tookMs)} ms, ${moved} calls moved\n`);
  expect(moved).toBeGreaterThan(0);
  expect(tookMs).toBeLessThan(LIMIT_MS * slowness);
  return clients;
}

/** Everybody edits, gets everything acked, and has what everybody has. */
async function expectNothingLost(clients: readonly RecordingClient[]): Promise<void> {
  for (const client of clients) client.edit(Math.random);
  await untilQuiet(clients, SLOW.timeoutMs);
  const verdict = await gatherAndJudge({
    urls: cluster.urls,
    clients,
    acks: clients.flatMap(({ acks }) => acks),
    rooms: Array.from({ length: ROOMS }, (_, n) => `room${n}`),
    stream,
    store,
    docTopic: `m${id}-doc`,
    partitions: PARTITIONS,
  });
  expect(verdict).toMatchObject({ violations: [], lost: 0, quarantined: 0 });
  // No join was refused for good, and nothing else that a user would see as an error has happened.
  expect(clients.flatMap(({ complaints }) => complaints)).toEqual([]);
  expect(cluster.complaints.filter((line) => line.includes('died'))).toEqual([]);
}

describe('joins, while one of two fastsync processes is not there', () => {
  it('are answered by the other one: while it hangs, and what it does late does no harm; and when it is killed', async () => {
    const usual = come('usual', JOINS);
    const usualMs = await untilSynced(usual);
    slowness = Math.max(1, usualMs / USUAL_MS);
    process.stdout.write(`usual: ${JOINS} joins in ${Math.round(usualMs)} ms\n`);
    for (const client of usual) client.edit(Math.random);
    await untilQuiet(usual, SLOW.timeoutMs);

    const frozen = processOf('fastsync-1');
    const before = await answersOf('fastsync-1');
    let joined: RecordingClient[];
    try {
      joined = await expectJoins('hanging', () => frozen.signal('SIGSTOP'));
    } finally {
      frozen.signal('SIGCONT');
    }
    // Nobody could ask before it was frozen, all have joined: it answers what it was asked meanwhile.
    await waitFor(async () => (await answersOf('fastsync-1')) > before, {
      ...SLOW,
      what: 'requests run late',
    });
    await frozen.waitUntilReady();
    for (const client of [...usual, ...joined]) client.edit(Math.random);
    await untilQuiet([...usual, ...joined], SLOW.timeoutMs);

    const killed = processOf('fastsync-2');
    const others = await expectJoins('killed', () => void killed.end('SIGKILL'));
    await cluster.restart('fastsync-2');
    await expectNothingLost([...usual, ...joined, ...others]);
  });
});

describe('an operation that was asked of a persister that hangs', () => {
  it('is done once at another one; run late it does nothing, even to a document that was made again', async () => {
    const roomId = 'deleted';
    const document = { tenantId: 'default', roomId, docId: 'text' };
    const before = new RecordingClient({ urls: cluster.urls, room: roomId, name: 'before' });
    all.push(before);
    await untilSynced([before]);
    before.edit(Math.random);
    await untilQuiet([before]);
    before.close();

    const request = { document, key: 'k', expectedGeneration: 1, userId: 'operator' };
    const frozen = processOf('persister-1');
    frozen.signal('SIGSTOP');
    try {
      await expect(
        operator.documents('delete', request, { nodeID: 'persister-1', timeout: 3_000 }),
      ).rejects.toMatchObject({ type: 'SERVICE_UNAVAILABLE', retryable: true });
      expect(await operator.documents('delete', request, { nodeID: 'persister-2' })).toMatchObject({
        outcome: 'done',
        generation: 2,
        deleted: true,
      });
      expect(
        await operator.documents(
          'create',
          { document, key: 'k2', expectedGeneration: 2 },
          { nodeID: 'persister-2' },
        ),
      ).toMatchObject({ outcome: 'done', generation: 3, deleted: false });
      const told = await announcements(document);
      // Each at least once.
      expect(told).toBeGreaterThanOrEqual(2);
      const people = come('again', 0);
      for (const url of cluster.urls)
        people.push(new RecordingClient({ urls: [url], room: roomId, name: `again${people.length}` }));
      all.push(...people);
      await untilSynced(people);
      for (const client of people) client.edit(Math.random);
      await untilQuiet(people, SLOW.timeoutMs);

      frozen.signal('SIGCONT');
      // It tells running processes of the barrier that counts: the only thing that it finds to do.
      await waitFor(async () => (await announcements(document)) > told, {
        ...SLOW,
        what: 'the operation runs late',
      });
      for (const client of people) client.edit(Math.random);
      await untilQuiet(people, SLOW.timeoutMs);
      expect(people.flatMap(({ complaints }) => complaints)).toEqual([]);
      type Inspected = { generation: number; deleted: boolean; generations: { generation: number }[] };
      const found = await operator.documents<Inspected>('inspect', { document });
      expect(found).toMatchObject({ generation: 3, deleted: false });
      expect(found.generations.map(({ generation }) => generation).sort()).toEqual([2, 3]);
      expect(new Set(people.flatMap(({ acks }) => acks.map(({ generation }) => generation)))).toEqual(
        new Set([3]),
      );
      expect(await operator.documents('delete', request)).toMatchObject({
        outcome: 'superseded',
        generation: 3,
        deleted: false,
      });
    } finally {
      frozen.signal('SIGCONT');
    }
    await frozen.waitUntilReady();
    expect(cluster.complaints.filter((line) => line.includes('died'))).toEqual([]);
  });
});

/** How often processes were told that the document has changed. */
async function announcements(document: { tenantId: string; roomId: string; docId: string }): Promise<number> {
  const at = { topic: `m${id}-control`, partition: 0 };
  const [fromOffset, toOffset] = [await stream.startOffset(at), await stream.endOffset(at)];
  const { records } = await stream.read({ ...at, fromOffset, toOffset, maxBytes: 64 * 1024 * 1024 });
  return records.filter((record) => record.key === documentKey(document) && readChange(record)).length;
}
