import type { Failpoint, FailpointOrder } from '../../../lib/failpoints.ts';
import type { ServiceProcess } from '../../../scripts/lib/service-process.ts';
import type { Random } from '../../support/random.ts';
import { waitFor } from '../../support/wait.ts';
import type { World } from './world.ts';

/** What one fault did: when the room stopped working (at the earliest), and what has to be awaited before the next. */
export interface Injected {
  /** For the log of the run. */
  what: string;
  /** kill -9 of so many processes. */
  kills: number;
  /** Resolves when everything that was ended runs again and is ready. */
  repaired: Promise<void>;
}

export type Inject = (world: World, random: Random) => Promise<Injected>;

const READY_TIMEOUT_MS = 240_000;
const POINT_TIMEOUT_MS = 3_000;
/** A trim comes with every tenth sweep. */
const TRIM_TIMEOUT_MS = 15_000;
const FREEZE_MS = 5_000;

export const GATEWAY_POINTS = [
  'append:before',
  'append:after',
  'fan-out:before',
  'fan-out:after',
  'ack:before',
  'ack:after',
] as const satisfies Failpoint[];
export const STORE_POINTS = [
  'insert:before',
  'insert:after',
  'commit:before',
  'commit:after',
] as const satisfies Failpoint[];
export const SNAPSHOT_POINTS = ['snapshot:before', 'snapshot:after'] as const satisfies Failpoint[];
export const TRIM_POINTS = ['trim:before', 'trim:after'] as const satisfies Failpoint[];
export const JOIN_POINTS = ['join:before', 'join:after'] as const satisfies Failpoint[];
export const FOLD_POINTS = ['fold:before', 'fold:after'] as const satisfies Failpoint[];
/** Where an error has somewhere to go: what is thrown elsewhere would be an error of another kind. */
const FAILING_POINTS = [
  'append:before',
  'append:after',
  ...STORE_POINTS,
  ...SNAPSHOT_POINTS,
  ...TRIM_POINTS,
] as const;

type Service = 'gateway' | 'persister' | 'fastsync' | 'codec';

const SERVICE_OF: Record<string, Service> = {
  append: 'gateway',
  'fan-out': 'gateway',
  ack: 'gateway',
  insert: 'persister',
  commit: 'persister',
  snapshot: 'persister',
  trim: 'persister',
  join: 'fastsync',
  fold: 'codec',
};

function instances(world: World, service: Service): ServiceProcess[] {
  return [...world.cluster.processes.values()].filter(({ name }) => name.startsWith(service));
}

/** Chosen by the seed; among those that are there, if another fault has taken one away. */
function choose(world: World, service: Service, random: Random): ServiceProcess {
  const all = instances(world, service);
  const present = all.filter(({ name }) => !world.away.has(name));
  return random.pick(present.length > 0 ? present : all);
}

/** Marks as away until the work is done. */
function whileAway(world: World, names: readonly string[], work: Promise<unknown>): Promise<void> {
  for (const name of names) world.away.add(name);
  return work.then(() => names.forEach((name) => world.away.delete(name)));
}

function restart(world: World, targets: readonly ServiceProcess[]): Promise<void> {
  const work = targets.map(async (target) => {
    world.doomed.delete(target.name);
    target.start();
    await target.waitUntilReady(READY_TIMEOUT_MS);
  });
  return whileAway(
    world,
    targets.map(({ name }) => name),
    Promise.all(work),
  );
}

async function killProcess(world: World, process: ServiceProcess): Promise<void> {
  world.doomed.add(process.name);
  await process.end('SIGKILL');
}

export function kill(service: Service): Inject {
  return async (world, random) => {
    const target = choose(world, service, random);
    await killProcess(world, target);
    return { what: target.name, kills: 1, repaired: restart(world, [target]) };
  };
}

/** The other gateway: everybody may have moved there. */
function others(world: World, targets: readonly ServiceProcess[]): ServiceProcess[] {
  return [...world.cluster.processes.values()].filter(
    (process) =>
      process.name.startsWith('gateway') &&
      targets.some(({ name }) => name.startsWith('gateway') && name !== process.name),
  );
}

/** Gives the order to every instance that may come by; the first one that does takes it. */
async function reach(
  world: World,
  targets: readonly ServiceProcess[],
  order: FailpointOrder,
): Promise<ServiceProcess | undefined> {
  if (targets.length === 0) return undefined;
  let reached: ServiceProcess | undefined;
  const hits = new Map(targets.map(({ name }) => [name, Promise.withResolvers<void>()]));
  const stopListening = world.onLine((name, line) => {
    if (!line.includes('failpoint reached')) return;
    reached ??= targets.find((target) => target.name === name);
    hits.get(name)?.resolve();
  });
  const isDeadly = order.action === 'kill';
  if (isDeadly) for (const { name } of targets) world.doomed.add(name);
  for (const target of targets) target.order({ failpoint: order });
  const timeoutMs = order.point.startsWith('trim') ? TRIM_TIMEOUT_MS : POINT_TIMEOUT_MS;
  await waitFor(() => reached, { timeoutMs, intervalMs: 2 }).catch(() => undefined); // nobody came by
  // One that came by at the same moment dies by the order, too: only its own answer tells that it does not. One that
  // stands still by it has said so, and answers nothing.
  await Promise.all(
    targets
      .filter((target) => target !== reached)
      .map((target) => Promise.race([target.takeBackOrder(), hits.get(target.name)!.promise])),
  );
  stopListening();
  if (isDeadly)
    for (const { name, isRunning } of targets)
      if (isRunning && name !== reached?.name) world.doomed.delete(name);
  return reached;
}

export function killAt(points: readonly Failpoint[]): Inject {
  return async (world, random) => {
    const point = random.pick(points);
    const service = SERVICE_OF[point.split(':')[0]!]!;
    const hit = service === 'gateway' ? random.int(1, 12) : 1;
    // Either of two persisters may have the partition; of gateways one is chosen.
    const targets = service === 'persister' ? instances(world, service) : [choose(world, service, random)];
    const order: FailpointOrder = { point, hit, action: 'kill' };
    const reached =
      (await reach(world, targets, order)) ?? (await reach(world, others(world, targets), order));
    const target = reached ?? targets[0]!;
    if (reached) await waitFor(() => !target.isRunning, { timeoutMs: 10_000, intervalMs: 2 });
    else await killProcess(world, target);
    const at = reached ? `${point} #${hit}` : `${point} was not reached: at random`;
    // A second instance may have come by at the same moment.
    const dead = instances(world, service).filter(
      (process) => !process.isRunning && !world.away.has(process.name),
    );
    const what = `${dead.map(({ name }) => name).join(' and ')} at ${at}`;
    return { what, kills: dead.length, repaired: restart(world, dead) };
  };
}

export function freeze(services: readonly Service[]): Inject {
  return async (world, random) => {
    const target = choose(world, random.pick(services), random);
    target.signal('SIGSTOP');
    const repaired = pause(FREEZE_MS).then(() => target.signal('SIGCONT'));
    return { what: `${target.name} for ${FREEZE_MS} ms`, kills: 0, repaired };
  };
}

export function freezeAt(points: readonly Failpoint[]): Inject {
  return async (world, random) => {
    const point = random.pick(points);
    const service = SERVICE_OF[point.split(':')[0]!]!;
    const targets = service === 'persister' ? instances(world, service) : [choose(world, service, random)];
    const hit = service === 'gateway' ? random.int(1, 12) : 1;
    const order: FailpointOrder = { point, hit, action: 'freeze' };
    const reached =
      (await reach(world, targets, order)) ?? (await reach(world, others(world, targets), order));
    // All are woken up: a second one may have come by at the same moment.
    const repaired = pause(reached ? FREEZE_MS : 0).then(() =>
      instances(world, service).forEach((target) => target.signal('SIGCONT')),
    );
    const what = reached ? `${reached.name} at ${point} for ${FREEZE_MS} ms` : `${point} was not reached`;
    return { what, kills: 0, repaired };
  };
}

export async function failAt(world: World, random: Random): Promise<Injected> {
  const point = random.pick(FAILING_POINTS);
  const service = SERVICE_OF[point.split(':')[0]!]!;
  const targets = instances(world, service);
  const reached = await reach(world, targets, { point, hit: random.int(1, 3), action: 'fail' });
  return { what: `${reached?.name ?? 'nobody'} at ${point}`, kills: 0, repaired: Promise.resolve() };
}

export async function delayAt(world: World, random: Random): Promise<Injected> {
  const point = random.pick([...GATEWAY_POINTS, ...STORE_POINTS]);
  const service = SERVICE_OF[point.split(':')[0]!]!;
  const delayMs = random.int(200, 2_000);
  const order: FailpointOrder = { point, hit: random.int(1, 3), action: 'delay', delayMs };
  const reached = await reach(world, instances(world, service), order);
  return {
    what: `${reached?.name ?? 'nobody'} at ${point} for ${delayMs} ms`,
    kills: 0,
    repaired: Promise.resolve(),
  };
}

export async function killPostgres(world: World, random: Random): Promise<Injected> {
  const downMs = random.int(0, 2_000);
  await world.postgres.kill('SIGKILL');
  const repaired = whileAway(
    world,
    ['PostgreSQL'],
    pause(downMs).then(() => world.postgres.restart()),
  );
  return { what: `away for ${downMs} ms and its recovery`, kills: 1, repaired };
}

export async function killKafka(world: World, random: Random): Promise<Injected> {
  const downMs = random.int(0, 2_000);
  await world.kafka.kill('SIGKILL');
  const repaired = whileAway(
    world,
    ['Kafka'],
    pause(downMs).then(() => world.kafka.restart()),
  );
  return { what: `away for ${downMs} ms and its start`, kills: 1, repaired };
}

export function disturb(which: 'kafkaProxy' | 'postgresProxy'): Inject {
  return async (world, random) => {
    const proxy = world[which];
    const how = random.weighted({ cut: 3, 'half-close': 2, delay: 2, silence: 2 });
    const healed = (afterMs: number) => pause(afterMs).then(() => proxy.heal());
    switch (how) {
      case 'cut': {
        const times = random.int(1, 3);
        for (let time = 0; time < times; time++) {
          proxy.cut();
          await pause(random.int(0, 300));
        }
        return { what: `cut ${times} times`, kills: 0, repaired: Promise.resolve() };
      }
      case 'half-close': {
        const towards = random.pick(['client', 'server'] as const);
        proxy.halfClose(towards);
        return { what: `half closed towards the ${towards}`, kills: 0, repaired: Promise.resolve() };
      }
      case 'delay': {
        const delayMs = random.int(50, 400);
        proxy.delay(delayMs);
        return { what: `${delayMs} ms slower for 3 s`, kills: 0, repaired: healed(3_000) };
      }
      case 'silence': {
        const silentMs = random.int(1_000, 4_000);
        proxy.silence();
        return { what: `silent for ${silentMs} ms`, kills: 0, repaired: healed(silentMs) };
      }
    }
  };
}

export async function killTwo(world: World, random: Random): Promise<Injected> {
  const targets = [choose(world, 'gateway', random), choose(world, 'persister', random)];
  await Promise.all(targets.map((target) => killProcess(world, target)));
  return { what: targets.map(({ name }) => name).join(' and '), kills: 2, repaired: restart(world, targets) };
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
