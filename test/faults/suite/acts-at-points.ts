import type { Failpoint, FailpointOrder } from '../../../lib/failpoints.ts';
import type { ServiceProcess } from '../../../scripts/lib/service-process.ts';
import type { Random } from '../../support/random.ts';
import { waitFor } from '../../support/wait.ts';
import {
  choose,
  FREEZE_MS,
  instances,
  killProcess,
  pause,
  restart,
  type Inject,
  type Injected,
  type Service,
} from './acts.ts';
import type { World } from './world.ts';

const POINT_TIMEOUT_MS = 3_000;
/** A trim comes with every tenth sweep. */
const TRIM_TIMEOUT_MS = 15_000;
/** From the order to the end that is told. */
const DEATH_TIMEOUT_MS = 30_000;

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

/** The other gateway: everybody may have moved there. */
function others(world: World, targets: readonly ServiceProcess[]): ServiceProcess[] {
  return [...world.cluster.processes.values()].filter(
    (process) =>
      process.name.startsWith('gateway') &&
      targets.some(({ name }) => name.startsWith('gateway') && name !== process.name),
  );
}

/** Gives the order to every instance that may come by, until one does: all that have, the first one first. */
async function reach(
  world: World,
  targets: readonly ServiceProcess[],
  order: FailpointOrder,
): Promise<ServiceProcess[]> {
  if (targets.length === 0) return [];
  const reached = new Set<ServiceProcess>();
  const hits = new Map(targets.map((target) => [target, Promise.withResolvers<void>()]));
  const stopListening = world.onLine((name, line) => {
    const target = targets.find((candidate) => candidate.name === name);
    if (!target || !line.includes('failpoint reached')) return;
    reached.add(target);
    hits.get(target)!.resolve();
  });
  const isDeadly = order.action === 'kill';
  if (isDeadly) for (const { name } of targets) world.doomed.add(name);
  for (const target of targets) target.order({ failpoint: order });
  const timeoutMs = order.point.startsWith('trim') ? TRIM_TIMEOUT_MS : POINT_TIMEOUT_MS;
  await waitFor(() => reached.size > 0, { timeoutMs, intervalMs: 2 }).catch(() => undefined); // nobody came by
  // Others may come by at the same moment: only their own answer tells that they do not any more. One that dies or
  // stands still by it has said so, and answers nothing.
  await Promise.all(
    targets.map((target) => Promise.race([target.takeBackOrder(), hits.get(target)!.promise])),
  );
  stopListening();
  if (isDeadly) {
    await Promise.all([...reached].map((target) => target.ended(DEATH_TIMEOUT_MS)));
    for (const target of targets) if (target.isRunning) world.doomed.delete(target.name);
  }
  return [...reached];
}

/** Either of two persisters may have the partition; of gateways one is chosen, and the other one is asked afterwards. */
async function reachOne(
  world: World,
  { service, order, random }: { service: Service; order: FailpointOrder; random: Random },
): Promise<{ targets: ServiceProcess[]; reached: ServiceProcess[] }> {
  const targets = service === 'persister' ? instances(world, service) : [choose(world, service, random)];
  const first = await reach(world, targets, order);
  return {
    targets,
    reached: first.length > 0 ? first : await reach(world, others(world, targets), order),
  };
}

export function killAt(points: readonly Failpoint[]): Inject {
  return async (world, random) => {
    const point = random.pick(points);
    const service = SERVICE_OF[point.split(':')[0]!]!;
    const hit = service === 'gateway' ? random.int(1, 12) : 1;
    const { targets, reached } = await reachOne(world, {
      service,
      order: { point, hit, action: 'kill' },
      random,
    });
    if (reached.length === 0) await killProcess(world, targets[0]!);
    const at = reached.length > 0 ? `${point} #${hit}` : `${point} was not reached: at random`;
    const dead = instances(world, service).filter(
      (process) => !process.isRunning && !world.away.has(process.name),
    );
    const what = `${dead.map(({ name }) => name).join(' and ')} at ${at}`;
    return { what, kills: dead.length, repaired: restart(world, dead) };
  };
}

export function freezeAt(points: readonly Failpoint[]): Inject {
  return async (world, random) => {
    const point = random.pick(points);
    const service = SERVICE_OF[point.split(':')[0]!]!;
    const hit = service === 'gateway' ? random.int(1, 12) : 1;
    const order: FailpointOrder = { point, hit, action: 'freeze' };
    const { reached } = await reachOne(world, { service, order, random });
    const [first] = reached;
    // All are woken up: a second one may have come by at the same moment.
    const repaired = pause(first ? FREEZE_MS : 0).then(() =>
      instances(world, service).forEach((target) => target.signal('SIGCONT')),
    );
    const what = first ? `${first.name} at ${point} for ${FREEZE_MS} ms` : `${point} was not reached`;
    return { what, kills: 0, repaired };
  };
}

export async function failAt(world: World, random: Random): Promise<Injected> {
  const point = random.pick(FAILING_POINTS);
  const service = SERVICE_OF[point.split(':')[0]!]!;
  const targets = instances(world, service);
  const [reached] = await reach(world, targets, { point, hit: random.int(1, 3), action: 'fail' });
  return { what: `${reached?.name ?? 'nobody'} at ${point}`, kills: 0, repaired: Promise.resolve() };
}

export async function delayAt(world: World, random: Random): Promise<Injected> {
  const point = random.pick([...GATEWAY_POINTS, ...STORE_POINTS]);
  const service = SERVICE_OF[point.split(':')[0]!]!;
  const delayMs = random.int(200, 2_000);
  const order: FailpointOrder = { point, hit: random.int(1, 3), action: 'delay', delayMs };
  const [reached] = await reach(world, instances(world, service), order);
  return {
    what: `${reached?.name ?? 'nobody'} at ${point} for ${delayMs} ms`,
    kills: 0,
    repaired: Promise.resolve(),
  };
}
