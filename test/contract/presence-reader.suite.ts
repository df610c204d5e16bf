import { expect } from '@jest/globals';
import type { PresenceReader } from '../../lib/presence/reader.ts';
import type { RoomOfTenant } from '../../lib/stream/topics.ts';
import { waitFor } from '../support/wait.ts';
import {
  BEAT_MS,
  TIMEOUT_MS,
  unlessStalled,
  type PresenceMedium,
  type PresenceNode,
} from './presence-gateway.ts';

/** What an adapter has to give to be checked. */
export interface ReaderMedium extends PresenceMedium {
  /** As an instance of the presence service has it. */
  openReader(): Promise<PresenceReader>;
}

const ROOM: RoomOfTenant = { tenantId: 't', roomId: 'r' };
const EMPTY: RoomOfTenant = { tenantId: 't', roomId: 'nobody' };
const ALL = { offset: 0, limit: 100 };

/** Gateways that beat, and readers, ended with the check. */
export class ReaderWorld {
  readonly medium: ReaderMedium;
  readonly #ends: (() => Promise<void> | void)[] = [];

  constructor(medium: ReaderMedium) {
    this.medium = medium;
  }

  async gateway(): Promise<PresenceNode> {
    const node = await this.medium.open(() => undefined);
    const timer = setInterval(() => node.presence.beat(), BEAT_MS);
    let isDead = false;
    this.#ends.push(async () => {
      clearInterval(timer);
      if (!isDead) await node.presence.stop();
    });
    const kill = () => {
      isDead = true;
      clearInterval(timer);
      node.kill();
    };
    return { presence: node.presence, kill };
  }

  async reader(): Promise<PresenceReader> {
    const reader = await this.medium.openReader();
    this.#ends.push(() => reader.stop());
    return reader;
  }

  async end(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end();
  }
}

let connections = 0;

function enter({ presence }: PresenceNode, userId: string, room = ROOM): string {
  const connectionId = `connection ${connections++}`;
  presence.enter(room, { connectionId, userId, user: { name: userId.toUpperCase() } });
  return connectionId;
}

/** People and their connections, as `ann:2 bob:1`; `unknown` when it cannot be told. */
async function told(reader: PresenceReader, room = ROOM): Promise<string> {
  try {
    const { people, total } = await reader.people(room, ALL);
    expect(total).toBe(people.length);
    return people.map((person) => `${person.userId}:${person.connections}`).join(' ');
  } catch (error) {
    expect(error).toMatchObject({ type: 'SERVICE_UNAVAILABLE' });
    return 'unknown';
  }
}

async function tells(reader: PresenceReader, wanted: string, room = ROOM): Promise<void> {
  let last = '';
  await waitFor(async () => (last = await told(reader, room)) === wanted, { what: wanted }).catch(() =>
    expect(last).toBe(wanted),
  );
}

export const readerChecks: Record<string, (world: ReaderWorld) => Promise<void>> = {
  'tells the people of all gateways, a person once, and every instance the same': async (world) => {
    const [a, b] = [await world.gateway(), await world.gateway()];
    const [first, second] = [await world.reader(), await world.reader()];
    await tells(first, '');
    const ann = enter(a, 'ann');
    enter(b, 'ann');
    enter(b, 'bob');
    a.presence.update(ROOM, ann, { cursor: { x: 1, y: 2, docId: 'd' } });
    for (const reader of [first, second]) await tells(reader, 'ann:2 bob:1');
    await waitFor(async () => (await second.people(ROOM, ALL)).people[0]!.cursor !== null);
    const { people } = await second.people(ROOM, ALL);
    expect(people).toEqual([
      {
        userId: 'ann',
        name: 'ANN',
        cursor: { x: 1, y: 2, docId: 'd' },
        connections: 2,
        lastSeen: expect.stringMatching(/^\d{4}-.*Z$/),
      },
      // Some know when somebody came.
      { userId: 'bob', name: 'BOB', cursor: null, connections: 1, lastSeen: people[1]!.lastSeen },
    ]);
    a.presence.leave(ROOM, ann);
    for (const reader of [first, second]) await tells(reader, 'ann:1 bob:1');
  },

  'counts rooms in their order, and tells a list in slices': async (world) => {
    const [gateway, reader] = [await world.gateway(), await world.reader()];
    for (const user of ['d', 'b', 'e', 'a', 'c']) enter(gateway, user);
    await tells(reader, 'a:1 b:1 c:1 d:1 e:1');
    expect(await reader.count([EMPTY, ROOM])).toEqual([0, 5]);
    const slice = await reader.people(ROOM, { offset: 2, limit: 2 });
    expect(slice.people.map(({ userId }) => userId)).toEqual(['c', 'd']);
    expect(slice.total).toBe(5);
    expect(await reader.people(ROOM, { offset: 9, limit: 2 })).toEqual({ total: 5, people: [] });
  },

  'the people of a dead gateway go, also where nobody else is; until then nobody is said to be there alone':
    async (world) => {
      const [a, b, reader] = [await world.gateway(), await world.gateway(), await world.reader()];
      const alone = { tenantId: 't', roomId: 'alone' };
      enter(a, 'ann');
      enter(a, 'ann', alone);
      enter(b, 'bob');
      await tells(reader, 'ann:1 bob:1');
      await tells(reader, 'ann:1', alone);
      a.kill();
      await tells(reader, 'bob:1');
      await tells(reader, '', alone);
      expect(await reader.count([alone, ROOM])).toEqual([0, 1]);
    },

  'while nothing is heard nobody is taken for gone': async (world) => {
    const [a, b, reader] = [await world.gateway(), await world.gateway(), await world.reader()];
    enter(a, 'ann');
    enter(b, 'bob');
    await tells(reader, 'ann:1 bob:1');
    let isOver = false;
    const outage = world.medium.outage(3 * TIMEOUT_MS).then(() => (isOver = true));
    const seen = new Set<string>();
    await waitFor(async () => {
      seen.add(await Promise.race([told(reader), outage.then(() => 'over')]));
      return isOver;
    });
    seen.delete('over');
    for (const answer of seen) expect(['unknown', 'ann:1 bob:1']).toContain(answer);
    await tells(reader, 'ann:1 bob:1');
  },

  'rooms of one name in two tenants do not meet': async (world) => {
    const [gateway, reader] = [await world.gateway(), await world.reader()];
    const other = { ...ROOM, tenantId: 'other' };
    enter(gateway, 'ann');
    enter(gateway, 'eve', other);
    await tells(reader, 'ann:1');
    await tells(reader, 'eve:1', other);
    expect(await reader.count([ROOM, other, { ...ROOM, tenantId: 'third' }])).toEqual([1, 1, 0]);
  },
};

export function runReaderCheck(
  check: (world: ReaderWorld) => Promise<void>,
  medium: ReaderMedium,
): Promise<void> {
  return unlessStalled(() => runOnce(check, medium), medium);
}

async function runOnce(check: (world: ReaderWorld) => Promise<void>, medium: ReaderMedium): Promise<void> {
  const world = new ReaderWorld(medium);
  try {
    await check(world);
  } finally {
    await world.end();
  }
}
