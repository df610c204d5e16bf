import type { ServiceProcess } from '../../../scripts/lib/service-process.ts';
import type { Random } from '../../support/random.ts';
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
export const FREEZE_MS = 5_000;

export type Service = 'gateway' | 'persister' | 'fastsync' | 'codec';

export function instances(world: World, service: Service): ServiceProcess[] {
  return [...world.cluster.processes.values()].filter(({ name }) => name.startsWith(service));
}

/** Chosen by the seed; among those that are there, if another fault has taken one away. */
export function choose(world: World, service: Service, random: Random): ServiceProcess {
  const all = instances(world, service);
  const present = all.filter(({ name }) => !world.away.has(name));
  return random.pick(present.length > 0 ? present : all);
}

/** Marks as away until the work is done. */
function whileAway(world: World, names: readonly string[], work: Promise<unknown>): Promise<void> {
  for (const name of names) world.away.add(name);
  return work.then(() => names.forEach((name) => world.away.delete(name)));
}

export function restart(world: World, targets: readonly ServiceProcess[]): Promise<void> {
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

export async function killProcess(world: World, process: ServiceProcess): Promise<void> {
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

export function freeze(services: readonly Service[]): Inject {
  return async (world, random) => {
    const target = choose(world, random.pick(services), random);
    target.signal('SIGSTOP');
    const repaired = pause(FREEZE_MS).then(() => target.signal('SIGCONT'));
    return { what: `${target.name} for ${FREEZE_MS} ms`, kills: 0, repaired };
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

export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
