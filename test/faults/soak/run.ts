import { systemClock } from '../../../lib/clock.ts';
import { silentLogger } from '../../../lib/log.ts';
import { createKafkaStream } from '../../../lib/stream/kafka.ts';
import { createKafkaJsClient } from '../../../lib/stream/kafka/kafkajs-client.ts';
import type { Stream } from '../../../lib/stream/port.ts';
import { freePorts, startKafka } from '../../../scripts/dev/kafka.ts';
import { startPostgres } from '../../../scripts/dev/postgres.ts';
import { startCluster, type Cluster } from '../../../scripts/lib/cluster.ts';
import { gatherAndJudge, untilQuiet } from '../../support/recording/gather.ts';
import { StoreReader } from '../../support/recording/read-store.ts';
import { waitFor } from '../../support/wait.ts';
import { seededRandom } from './random.ts';
import { Crowd } from './crowd.ts';
import { Killer } from './killer.ts';
import { measure, type Measure } from './measure.ts';
import { writeSection } from '../suite/report.ts';
import { soakReport, type SoakResult } from './report.ts';

const PARTITIONS = 16;
const TOPIC_PATTERN = 'soak-{channel}';
const SETTLE_MS = 10_000;
const WINDOW_MS = 10_000;
const EDIT_EVERY_MS = 3_000;
const STAY_MS = [20_000, 120_000] as const;
/** These live through the whole run; the others are killed. */
const SPARED = ['gateway-1', 'persister-1'];
const QUIET_TIMEOUT_MS = 120_000;
/** Kafka takes the group of a killed process away when its session ended and a minute passed without a member. */
const GROUPS_GONE_TIMEOUT_MS = 180_000;

export interface SoakOptions {
  minutes: number;
  clients: number;
  rooms: number;
  killEveryS: number;
  seed: number;
  /** File whose section is written. */
  report?: string;
}

const say = (text: string) => console.log(`${new Date().toISOString().slice(11, 19)} ${text}`);

/** The whole soak: resolves with the exit code. */
export async function runSoak(options: SoakOptions): Promise<number> {
  const stops: (() => Promise<unknown> | unknown)[] = [];
  const stopAll = async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
  };
  process.once('SIGINT', () => void stopAll().then(() => process.exit(130)));
  try {
    const world = await startWorld(stops);
    return await soak(options, world, stops);
  } finally {
    await stopAll();
  }
}

interface World {
  cluster: Cluster;
  stream: Stream;
  store: StoreReader;
  admin: ReturnType<ReturnType<typeof createKafkaJsClient>['kafka']['admin']>;
  startedAt: Map<string, number>;
  deaths: string[];
}

async function startWorld(stops: (() => Promise<unknown> | unknown)[]): Promise<World> {
  say('starting Kafka, PostgreSQL and the services');
  const [kafka, postgres] = await Promise.all([startKafka(), startPostgres()]);
  stops.push(
    () => kafka.stop(),
    () => postgres.stop(),
  );
  const deaths: string[] = [];
  const cluster = await startCluster({
    kafkaBrokers: kafka.brokers,
    databaseUrl: postgres.url,
    gatewayPorts: await freePorts(2),
    replicas: { persister: 2 },
    env: { YKAFKA_TOPIC_PATTERN: TOPIC_PATTERN, PARTITIONS: String(PARTITIONS) },
    onDeath: (name, state) => deaths.push(`${name} died by itself: ${JSON.stringify(state)}`),
  });
  stops.push(() => cluster.stop());
  const client = { brokers: () => kafka.brokers, clientId: 'soak', logger: silentLogger };
  const admin = createKafkaJsClient({ ...client, retries: 5, requestTimeoutMs: 15_000 }).kafka.admin();
  await admin.connect();
  stops.push(() => admin.disconnect());
  const stream = await createKafkaStream({
    ...client,
    brokers: kafka.brokers,
    clock: systemClock,
    replicationFactor: 1,
    minInsyncReplicas: 1,
    retentionMs: 3_600_000,
    ephemeralRetentionMs: 600_000,
    maxRecordBytes: 16 * 1024 * 1024,
    producerBufferBytes: 1024 * 1024,
    topicPollMs: 5_000,
    appendTimeoutMs: 5_000,
  });
  stops.push(() => stream.close());
  const store = new StoreReader(postgres.url);
  stops.push(() => store.close());
  const startedAt = new Map([...cluster.processes.keys()].map((name) => [name, performance.now()]));
  return { cluster, stream, store, admin, startedAt, deaths };
}

async function soak(
  options: SoakOptions,
  world: World,
  stops: (() => Promise<unknown> | unknown)[],
): Promise<number> {
  const { cluster, startedAt } = world;
  const random = seededRandom(options.seed);
  const rooms = Array.from({ length: options.rooms }, (_, at) => `room-${at}`);
  const crowd = new Crowd({
    urls: cluster.urls,
    clients: options.clients,
    rooms,
    editEveryMs: EDIT_EVERY_MS,
    stayMs: STAY_MS,
    random,
  });
  stops.push(() => crowd.close());
  const look = () => measure({ ...world, windowMs: WINDOW_MS });
  await waitFor(() => crowd.arrived >= options.clients && crowd.present.every(({ hasJoined }) => hasJoined), {
    timeoutMs: 180_000,
    intervalMs: 250,
    what: 'everybody has joined',
  });
  await settle();
  const before = await look();
  say(`begin: ${inWords(before)}`);

  let failure: unknown;
  const killer = new Killer({
    cluster,
    everyMs: options.killEveryS * 1000,
    spared: SPARED,
    random,
    onKill: (name) => {
      startedAt.set(name, performance.now());
      say(`${name} killed; ${crowd.ackCount} acked, ${crowd.present.length} clients`);
    },
    onFailure: (error) => (failure ??= error),
  });
  stops.push(() => killer.stop());
  const end = performance.now() + options.minutes * 60_000;
  while (performance.now() < end && failure === undefined) await new Promise((done) => setTimeout(done, 250));
  await killer.stop();
  if (failure !== undefined) throw failure;

  say('the end: nobody types any more');
  await crowd.freeze();
  await untilQuiet(crowd.present, QUIET_TIMEOUT_MS);
  await settle();
  await groupsAreGone(world, before.groups);
  const after = await look();
  say(`end: ${inWords(after)}`);
  const verdict = await gatherAndJudge({
    ...world,
    urls: cluster.urls,
    clients: crowd.present,
    acks: crowd.acks,
    rooms,
    docTopic: TOPIC_PATTERN.replace('{channel}', 'doc'),
    partitions: PARTITIONS,
  });
  const complaints = [...crowd.complaints, ...world.deaths];
  crowd.close();
  await settle();
  const empty = await look();
  say(`all clients gone: ${inWords(empty)}`);

  const result: SoakResult = {
    command: commandOf(options),
    minutes: options.minutes,
    clients: options.clients,
    rooms: options.rooms,
    arrived: crowd.arrived,
    edits: crowd.edits,
    acked: verdict.acked,
    lost: verdict.lost,
    violations: verdict.violations.length,
    leftUnsaved: crowd.leftUnsaved,
    records: verdict.records,
    kills: killer.kills,
    before,
    after,
    empty,
  };
  const section = soakReport(result);
  console.log(`\n${section}\n`);
  if (options.report) await writeSection(options.report, 'soak', section);
  for (const violation of verdict.violations.slice(0, 20)) console.log(violation);
  for (const complaint of complaints.slice(0, 20)) console.log(complaint);
  return verdict.violations.length > 0 || complaints.length > 0 ? 1 : 0;
}

/** What is left after the time limit shows in the figures. */
async function groupsAreGone({ admin }: World, expected: number): Promise<void> {
  const areGone = async () => (await admin.listGroups()).groups.length <= expected;
  await waitFor(areGone, {
    timeoutMs: GROUPS_GONE_TIMEOUT_MS,
    intervalMs: 2_000,
    what: 'the groups of killed processes are gone',
  }).catch((error: Error) => say(error.message));
}

function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
}

function commandOf({ minutes, clients, rooms, killEveryS, seed }: SoakOptions): string {
  return `npm run soak -- --minutes ${minutes} --clients ${clients} --rooms ${rooms} --kill-every ${killEveryS} --seed ${seed}`;
}

function inWords({ topics, groups, connections, sockets, processes }: Measure): string {
  const rss = processes.map(({ name, rssMb }) => `${name} ${rssMb.toFixed(0)} MB`).join(', ');
  return `${topics} topics, ${groups} groups, ${connections} sessions at PostgreSQL, ${sockets} clients; ${rss}`;
}
