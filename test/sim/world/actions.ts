import { barrierRecord } from '../../support/log-records.ts';
import type { SimClient } from './client.ts';
import type { Action } from './schedule.ts';
import type { World } from './world.ts';

/** Does to the world what a schedule says. */
export function act(world: World, action: Action): void {
  if (action.kind !== 'insert' && action.kind !== 'delete') world.counters.count(nameOf(action));
  switch (action.kind) {
    case 'insert':
    case 'delete': {
      const client = world.clients[action.client]!;
      // A page that is gone, or a computer that sleeps, has nobody who types.
      if (client.process.isDead || client.process.isFrozen) return;
      world.counters.count('edit');
      return client[action.kind](world.documents[action.document]!, action.place, action.length);
    }
    case 'trouble':
      return world.weather.begin(action.trouble, action.target, action.forMs);
    case 'crash':
      return world.crash(action.process, action.forMs);
    case 'freeze':
      return world.freeze(action.process, action.forMs);
    case 'cut': {
      const { process } = world.clients[action.client]!;
      for (const connection of [...world.connections])
        if (connection.client === process) connection.cut(action);
      return;
    }
    case 'offline':
      return goOffline(world, world.clients[action.client]!, action.forMs);
    case 'leave':
      return leave(world, action);
    case 'trim':
      return trim(world, action.share);
    case 'break-follow':
      return breakFollow(world, action.process);
    case 'barrier':
      return beginGeneration(world, action.document);
    case 'shuffle':
      return world.group.shuffle();
    case 'probe':
      return world.probe();
    case 'operate':
      return world.operator.ask(action);
  }
}

function nameOf(action: Action): string {
  if (action.kind === 'trouble') return `trouble ${action.trouble}`;
  if (action.kind === 'crash' || action.kind === 'freeze')
    return `${action.kind} ${action.process.slice(0, -1)}`;
  if (action.kind === 'operate') return `operate ${action.operation}`;
  return action.kind;
}

function goOffline(world: World, client: SimClient, forMs: number): void {
  client.disconnect();
  client.process.after(forMs, 'online', () => client.connect());
}

/** Somebody closes the page, or it crashes; somebody else comes with an empty one. */
function leave(world: World, { client: index, isKilled, forMs }: Extract<Action, { kind: 'leave' }>): void {
  const client = world.clients[index]!;
  if (client.process.isDead) return;
  const { process } = client;
  if (!isKilled) client.destroy();
  process.isDead = true;
  for (const connection of [...world.connections])
    if (connection.client === process)
      connection.cut({ byClientMs: 0, byServerMs: isKilled ? 1_000 : 20, arrives: !isKilled });
  world.scheduler.after(forMs, 'arrive', () => (world.clients[index] = world.openClient(process.name)));
}

/** Only what is stored may go. */
function trim(world: World, share: number): void {
  for (const partition of world.partitions) {
    const stored = world.stored[partition.partition]!;
    partition.trim(partition.start + Math.floor((stored - partition.start) * share));
  }
}

/** As the log does when it cannot go on with a follow: what is appended until it begins anew is missed. */
function breakFollow(world: World, name: string): void {
  const { process } = world.node(name);
  for (const partition of world.partitions)
    for (const follower of partition.followers) if (follower.process === process) follower.end();
}

function beginGeneration(world: World, index: number): void {
  const document = world.documents[index]!;
  const partition = world.partitionOf(document);
  const generation = (world.generations.get(document.key) ?? 1) + 1;
  world.generations.set(document.key, generation);
  if (world.gateways.some(({ stream }) => stream.isAppending(partition)))
    world.counters.count('barrier-in-flight');
  partition.append([barrierRecord(world.idOf(document), generation)]);
}
