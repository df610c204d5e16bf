import { expect } from '@jest/globals';
import { freePorts } from '../../scripts/dev/ports.ts';
import { startTestCluster, type TestCluster } from './cluster.ts';
import { PointingPerson } from './pointing-person.ts';
import { ProductTokens } from './product-tokens.ts';
import { Stopwatch } from './stopwatch.ts';
import { waitFor } from './wait.ts';

const PEOPLE = 20;
const PEOPLE_PER_SECOND = 10;
const ROOM = 'plan';
/** That of the gateways, and after which all who have gone with one are found out. */
const TIMEOUT_MS = 6_000;
const FOUND_OUT_MS = TIMEOUT_MS + 4_000;
/** Not by a time-out. */
const AT_ONCE_MS = TIMEOUT_MS - 500;

/** A rolling restart of two gateways: those at the other one see nobody leave but who does, and no cursor vanish. */
export async function outlivesDrain(env: Record<string, string> = {}): Promise<void> {
  const tokens = await ProductTokens.start();
  const gatewayPorts = await freePorts(2);
  const cluster = await startTestCluster({
    gatewayPorts,
    env: {
      AUTH: 'jwt',
      JWKS_URL: tokens.jwksUrl,
      JWT_ISSUER: tokens.issuer,
      JWT_AUDIENCE: tokens.audience,
      YKAFKA_DRAIN_CLIENTS_PER_SECOND: String(PEOPLE_PER_SECOND),
      ...env,
    },
  });
  try {
    await restartOneAfterTheOther(cluster, tokens);
  } finally {
    await cluster.stop();
    tokens.stop();
  }
}

async function restartOneAfterTheOther(cluster: TestCluster, tokens: ProductTokens): Promise<void> {
  const [first, second] = cluster.urls as [string, string];
  const all: PointingPerson[] = [];
  const add = (name: string, url: string | readonly string[]) => {
    const getToken = () => tokens.tokenOf(name, { tenant: 'acme', rooms: { [ROOM]: 'editor' } });
    const person = new PointingPerson({ url, room: ROOM, name, getToken });
    all.push(person);
    person.point(all.length);
    return person;
  };
  try {
    const watchers = [add('watcher 1', second), add('watcher 2', second)];
    for (const watcher of watchers) await watcher.sees(...watchers);
    const people = Array.from({ length: PEOPLE }, (_, at) => add(`person ${at}`, [first, second]));
    for (const watcher of watchers) await watcher.sees(...people);
    // The last one whose turn it would be.
    const gone = add('gone', [first, second]);
    for (const watcher of watchers) await watcher.sees(gone);
    for (const watcher of watchers) watcher.forgetTold();

    // Not all: who does not get through in time tries the other one.
    const isFirst = ({ url }: PointingPerson) => url === first;
    expect(people.filter(isFirst).length).toBeGreaterThan(PEOPLE / 4);
    await stop(cluster, 'gateway-1', async () => {
      gone.close();
      const sinceClosed = new Stopwatch();
      await areTold(watchers, [gone]);
      expect(sinceClosed.stop()).toBeLessThan(AT_ONCE_MS);
    });
    await areBack(people, { at: second, watchers });
    await areTold(watchers, [gone]);
    await cluster.restart('gateway-1');
    const late = add('late', first);
    await late.sees(...people, ...watchers);
    late.forgetTold();

    // The one before may not be believed dead yet.
    await stop(cluster, 'gateway-2');
    const sinceStopped = new Stopwatch();
    await areBack(people, { at: first, watchers: [late] });
    await waitFor(() => sinceStopped.ms > FOUND_OUT_MS, { timeoutMs: 2 * FOUND_OUT_MS });
    sinceStopped.stop();
    await areTold([late], watchers);
    for (const person of people) person.close();
    const sinceClosed = new Stopwatch();
    await waitFor(() => people.every(({ name }) => late.told.includes(`-${name}`)));
    expect(sinceClosed.stop()).toBeLessThan(AT_ONCE_MS);
    expect(cluster.complaints).toEqual([]);
  } finally {
    for (const person of all) person.close();
  }
}

/** In order; in bounded time. */
async function stop(cluster: TestCluster, name: string, meanwhile = async () => {}): Promise<void> {
  const gateway = cluster.processes.get(name)!;
  const ended = gateway.end('SIGTERM', 60_000);
  const took = new Stopwatch();
  await meanwhile();
  await ended;
  const tookMs = took.stop();
  process.stdout.write(`${name} has stopped after ${Math.round(tookMs)} ms\n`);
  expect(gateway.exitCode).toBe(0);
  expect(tookMs).toBeLessThan((1_000 * (PEOPLE + 3)) / PEOPLE_PER_SECOND + 10_000);
}

async function areBack(
  people: readonly PointingPerson[],
  { at, watchers }: { at: string; watchers: readonly PointingPerson[] },
): Promise<void> {
  await waitFor(() => people.every(({ url, isConnected }) => url === at && isConnected), {
    timeoutMs: 60_000,
    what: `all are at ${at}`,
  });
  for (const watcher of watchers) {
    await watcher.sees(...people);
    for (const { name } of people)
      await waitFor(() => watcher.connectionsOf(name) === 1, {
        timeoutMs: 60_000,
        what: `${name} stands there once, not ${watcher.connectionsOf(name)} times`,
      });
  }
}

/** Of these leaves, each once, and of nothing else. */
async function areTold(watchers: readonly PointingPerson[], left: readonly PointingPerson[]): Promise<void> {
  const what = left.flatMap(({ name, awareness }) => [`-${name}`, `-#${awareness.clientID}`]).sort();
  for (const { told } of watchers) await waitFor(() => what.every((each) => told.includes(each)));
  for (const { told } of watchers) expect(told.toSorted()).toEqual(what);
}
