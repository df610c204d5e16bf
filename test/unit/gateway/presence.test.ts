import { afterEach, describe, expect, it } from '@jest/globals';
import type { AccessControl } from '../../../lib/gateway/port.ts';
import type { PresenceSync } from '../../../lib/protocol/index.ts';
import { startSwallowingProxy } from '../../support/swallowing-proxy.ts';
import { waitFor } from '../../support/wait.ts';
import { cleanUp, onCleanUp, openLog, startGateway } from './harness.ts';
import { RawClient } from './raw-client.ts';
import { ForwardClock, SteeredClock } from './steered-clock.ts';

const ROOM = { roomId: 'r', docId: 'd' };

/** People by their token; who is called a viewer may only read. */
const byToken: AccessControl = {
  identify: async (auth) => {
    const { token } = auth as { token: string };
    return { ok: true, identity: { tenantId: 't', userId: token, name: token.toUpperCase() } };
  },
  mayUse: ({ userId }) => ({ read: true, write: userId !== 'viewer' }),
};

/** What a socket is told of the people in its rooms, in order. */
class Person {
  readonly client: RawClient;
  readonly told: string[] = [];
  readonly syncs: PresenceSync[] = [];

  private constructor(client: RawClient) {
    this.client = client;
    const { socket } = client;
    socket.on('presence:join', ({ userId }: { userId: string }) => this.told.push(`+${userId}`));
    socket.on('presence:leave', ({ userId }: { userId: string }) => this.told.push(`-${userId}`));
    socket.on('presence:sync', (sync: PresenceSync) => {
      this.syncs.push(sync);
      const users = sync.users.map(({ userId }) => userId).join();
      this.told.push(sync.all ? `all ${users}` : users);
    });
  }

  static async in(url: string, token: string, address = ROOM): Promise<Person> {
    const person = new Person(await RawClient.connect(url, { auth: { token } }));
    await person.client.join(address);
    await waitFor(() => person.told.some((told) => told.startsWith('all')), { what: 'the people' });
    return person;
  }

  show(event: 'update' | 'viewport', content: object): void {
    this.client.socket.emit(`presence:${event}`, content);
  }

  async hears(what: string): Promise<void> {
    await waitFor(() => this.told.includes(what), { what: `${what} among ${this.told.join(' ')}` });
  }

  seen(userId: string): PresenceSync['users'][number] | undefined {
    return this.syncs.flatMap(({ users }) => users).findLast((user) => user.userId === userId);
  }
}

async function openGateway() {
  return startGateway(await openLog(), { access: byToken });
}

afterEach(cleanUp);

describe('people in a room', () => {
  it('two tabs of a person are one: each of the others is told one join and one leave', async () => {
    const { url } = await openGateway();
    const bob = await Person.in(url, 'bob');
    expect(bob.syncs[0]).toEqual({
      roomId: 'r',
      all: true,
      self: 'bob',
      users: [
        {
          ...{ userId: 'bob', user: { name: 'BOB' }, connections: 1, clients: [] },
          ...{ cursor: null, selection: [], viewport: null },
        },
      ],
    });
    const first = await Person.in(url, 'ann');
    await bob.hears('+ann');
    const second = await Person.in(url, 'ann');
    expect(second.told[0]).toBe('all bob,ann');
    first.client.socket.disconnect();
    second.show('update', { roomId: 'r', cursor: { x: 1, y: 2 } });
    await bob.hears('ann');
    expect(bob.told.filter((told) => told !== 'ann')).toEqual(['all bob', '+ann']);
    second.client.socket.disconnect();
    await bob.hears('-ann');
    expect(bob.told.filter((told) => told !== 'ann')).toEqual(['all bob', '+ann', '-ann']);
  });

  it('a cursor, a selection and a viewport are shown together, also by a viewer, never for another', async () => {
    const { url } = await openGateway();
    const ann = await Person.in(url, 'ann');
    const viewer = await Person.in(url, 'viewer');
    viewer.show('update', { roomId: 'r', cursor: { x: 1, y: 2 }, selection: ['s'] });
    viewer.show('viewport', { roomId: 'r', x: 3, y: 4, zoom: 0.5 });
    await waitFor(() => ann.seen('viewer')?.viewport, { what: 'what the viewer shows' });
    expect(ann.seen('viewer')).toEqual({
      userId: 'viewer',
      cursor: { x: 1, y: 2 },
      selection: ['s'],
      viewport: { x: 3, y: 4, zoom: 0.5 },
    });
    viewer.show('update', { roomId: 'r', userId: 'ann', cursor: { x: 9, y: 9 } });
    await waitFor(() => viewer.client.nacks().length === 1, { what: 'the nack' });
    expect(ann.seen('ann')?.cursor).toBeNull();
  });

  it('what is not as it should be is refused, and what is shown in a room without being there is dropped', async () => {
    const { url } = await openGateway();
    const ann = await Person.in(url, 'ann');
    const bad = [
      undefined,
      'r',
      { cursor: null },
      { roomId: '', cursor: null },
      { roomId: 'r', cursor: { x: 1 } },
      { roomId: 'r', cursor: { x: 1, y: '2' } },
      { roomId: 'r', cursor: { x: 1, y: 2, z: 3 } },
      { roomId: 'r', selection: 'all' },
      { roomId: 'r', selection: [1] },
      { roomId: 'r', selection: Array.from({ length: 101 }, () => 's') },
      { roomId: 'r', selection: Array.from({ length: 100 }, () => 's'.repeat(100)) },
    ];
    for (const content of bad) ann.client.socket.emit('presence:update', content);
    for (const zoom of [0, -1, null, 'NaN']) ann.show('viewport', { roomId: 'r', x: 0, y: 0, zoom });
    await waitFor(() => ann.client.nacks().length === bad.length + 4, { what: 'a nack each' });
    expect(new Set(ann.client.nacks().map(({ code }) => code))).toEqual(new Set(['BAD_REQUEST']));
    const other = await Person.in(url, 'bob', { ...ROOM, roomId: 'other' });
    ann.show('update', { roomId: 'other', cursor: { x: 1, y: 1 } });
    ann.show('update', { roomId: 'r', cursor: { x: 7, y: 7 } });
    await ann.hears('ann');
    expect(other.told).toEqual(['all bob']);
  });

  it('who has left the last document of a room hears nothing more of it', async () => {
    const { url } = await openGateway();
    const ann = await Person.in(url, 'ann');
    const bob = await Person.in(url, 'bob');
    await bob.client.join({ ...ROOM, docId: 'second' });
    await bob.client.leave(ROOM);
    ann.show('update', { roomId: 'r', cursor: { x: 1, y: 1 } });
    await bob.hears('ann');
    await bob.client.leave({ ...ROOM, docId: 'second' });
    await ann.hears('-bob');
    expect(bob.told.at(-1)).toBe('all ');
    ann.show('update', { roomId: 'r', cursor: { x: 2, y: 1 } });
    await waitFor(() => ann.seen('ann')?.cursor?.x === 2, { what: 'the own cursor' });
    expect(bob.told.at(-1)).toBe('all ');
  });

  it('many moves of many people in a tick are one message; too many wait, and the latest is shown', async () => {
    const clock = new SteeredClock();
    const { url } = await startGateway(await openLog(), {
      access: byToken,
      config: { connectionPresencePerSecond: 10 },
      clock,
    });
    const stand = clock.flow();
    onCleanUp(async () => stand());
    const watcher = await Person.in(url, 'watcher');
    const people = await Promise.all(['a', 'b', 'c', 'd'].map((name) => Person.in(url, name)));
    await waitFor(() => ['+a', '+b', '+c', '+d'].every((what) => watcher.told.includes(what)));
    stand();
    // What comes first after a pause is told at once; what follows waits for the tick.
    watcher.show('update', { roomId: 'r', cursor: { x: 0, y: 0 } });
    for (;;) {
      await watcher.client.answered();
      await watcher.client.answered();
      if (watcher.told.includes('watcher')) break;
      clock.advance(5);
    }
    const before = watcher.syncs.length;
    for (let x = 0; x < 200; x++)
      for (const person of people) person.show('update', { roomId: 'r', cursor: { x, y: 0 } });
    for (const { client } of people) await client.answered();
    const goOn = clock.flow();
    onCleanUp(async () => goOn());
    await waitFor(() => ['a', 'b', 'c', 'd'].every((name) => watcher.seen(name)?.cursor?.x === 199), {
      what: 'the latest',
    });
    const moves = watcher.syncs.slice(before);
    expect(moves[0]!.users.map(({ cursor }) => cursor!.x > 40 && cursor!.x < 199)).toEqual([
      ...[true, true, true, true],
    ]);
    expect(moves.length).toBeLessThan(10);
  });

  it('a client that vanishes without a word leaves after the heartbeat', async () => {
    const { url } = await startGateway(await openLog(), {
      access: byToken,
      config: { pingIntervalMs: 300, pingTimeoutMs: 2_000 },
    });
    const proxy = await startSwallowingProxy(Number(new URL(url).port));
    onCleanUp(() => proxy.close());
    const bob = await Person.in(url, 'bob');
    await Person.in(`http://127.0.0.1:${proxy.port}`, 'ann');
    await bob.hears('+ann');
    proxy.swallow();
    const goneAt = performance.now();
    await bob.hears('-ann');
    expect(performance.now() - goneAt).toBeGreaterThan(200);
    expect(bob.told.filter((told) => told.includes('ann'))).toEqual(['+ann', '-ann']);
  });

  it('a gateway that is gone without a word is noticed by the other one over the log', async () => {
    const log = await openLog();
    const clock = new ForwardClock();
    const survivor = await startGateway(log, { access: byToken, clock });
    let isDead = false;
    const stream = new Proxy(log.stream, {
      get: (target, name) => {
        if (name === 'append' && isDead) return () => new Promise(() => undefined);
        const value: unknown = Reflect.get(target, name);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
    const dying = await startGateway(log, { access: byToken, stream });
    const bob = await Person.in(survivor.url, 'bob');
    const names = Array.from({ length: 20 }, (_, index) => `user${index}`);
    for (const name of names) await Person.in(dying.url, name);
    for (const name of names) await bob.hears(`+${name}`);
    isDead = true;
    const left = names.map((name) => `-${name}`);
    await clock.hastenUntil(() => left.every((what) => bob.told.includes(what)), 'all have left');
    const leaves = bob.told.filter((told) => told.startsWith('-'));
    expect(leaves.sort()).toEqual(left.sort());
  });
});
