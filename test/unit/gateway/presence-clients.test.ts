import { afterEach, describe, expect, it } from '@jest/globals';
import type { AccessControl } from '../../../lib/gateway/port.ts';
import {
  encodeAwarenessPayload,
  encodeAwarenessUpdate,
  encodeClientEntries,
  type DocumentAddress,
  type PresencePerson,
  type PresenceSync,
} from '../../../lib/protocol/index.ts';
import { waitFor } from '../../support/wait.ts';
import { cleanUp, openLog, startGateway, type GatewayOptions, type TestLog } from './harness.ts';
import { RawClient } from './raw-client.ts';
import { ForwardClock } from './steered-clock.ts';

const A = { roomId: 'r', docId: 'a' };
const B = { roomId: 'r', docId: 'b' };

/** People by their token. */
const byToken: AccessControl = {
  identify: async (auth) => {
    const { token } = auth as { token: string };
    return { ok: true, identity: { tenantId: 't', userId: token } };
  },
  mayUse: () => ({ read: true, write: true }),
};

/** A tab, and what it has been told of each person. */
class Tab {
  readonly client: RawClient;
  readonly people = new Map<string, PresencePerson>();
  readonly left: string[] = [];
  readonly syncs: PresenceSync[] = [];
  #clock = 0;

  constructor(client: RawClient) {
    this.client = client;
    const { socket } = client;
    socket.on('presence:join', (person: PresencePerson) => this.people.set(person.userId, person));
    socket.on('presence:leave', ({ userId }: PresencePerson) => {
      this.left.push(userId);
      this.people.delete(userId);
    });
    socket.on('presence:sync', (sync: PresenceSync) => {
      this.syncs.push(sync);
      if (sync.all) this.people.clear();
      for (const person of sync.users)
        this.people.set(person.userId, { ...this.people.get(person.userId), ...person });
    });
  }

  static async in(url: string, token: string, ...clientIds: number[]): Promise<Tab> {
    const tab = new Tab(await RawClient.connect(url, { auth: { token } }));
    await tab.client.join(A);
    // Before or after the state, with which it enters.
    if (clientIds.length > 0) tab.announce(A, ...clientIds);
    await waitFor(() => tab.people.has(token), { what: 'the own person' });
    return tab;
  }

  announce(address: DocumentAddress, ...clientIds: number[]): void {
    this.#say(address, '{}', clientIds);
  }

  withdraw(address: DocumentAddress, ...clientIds: number[]): void {
    this.#say(address, 'null', clientIds);
  }

  async sees(userId: string, connections: number, ...clients: string[]): Promise<void> {
    await waitFor(
      () => this.people.get(userId)?.connections === connections && this.idsOf(userId) === clients.join(' '),
      { what: `${userId} with ${connections}: ${clients.join(' ')}, not ${this.idsOf(userId)}` },
    );
  }

  idsOf(userId: string): string {
    const clients = this.people.get(userId)?.clients ?? [];
    return clients.map(({ docId, clientIds }) => `${docId}:${clientIds.join()}`).join(' ');
  }

  #say(address: DocumentAddress, state: string, clientIds: number[]): void {
    const clock = ++this.#clock;
    const update = encodeAwarenessUpdate(clientIds.map((clientId) => ({ clientId, clock, state })));
    const envelope = this.client.envelope(address, encodeAwarenessPayload(update));
    this.client.sendFrame(encodeClientEntries([envelope]));
  }
}

async function openGateway(log?: TestLog, options: Pick<GatewayOptions, 'stream' | 'clock'> = {}) {
  return startGateway(log ?? (await openLog()), { access: byToken, ...options });
}

afterEach(cleanUp);

describe('awareness client ids of people', () => {
  it('two tabs are one person with two connections and the client ids of both; a closed tab takes its own away', async () => {
    const { url } = await openGateway();
    const bob = await Tab.in(url, 'bob', 7);
    const first = await Tab.in(url, 'ann', 1);
    const second = await Tab.in(url, 'ann', 2);
    for (const tab of [bob, first, second]) await tab.sees('ann', 2, 'a:1,2');
    await second.sees('bob', 1, 'a:7');
    first.client.socket.disconnect();
    await bob.sees('ann', 1, 'a:2');
    expect(bob.left).toEqual([]);
    const late = await Tab.in(url, 'cleo');
    expect([late.idsOf('ann'), late.people.get('ann')?.connections]).toEqual(['a:2', 1]);
  });

  it('they follow the documents of a connection and what it withdraws; moves carry nothing of them', async () => {
    const { url } = await openGateway();
    const bob = await Tab.in(url, 'bob');
    const ann = await Tab.in(url, 'ann', 1);
    await ann.client.join(B);
    ann.announce(B, 1, 5);
    await bob.sees('ann', 1, 'a:1', 'b:1,5');
    ann.withdraw(B, 1);
    await bob.sees('ann', 1, 'a:1', 'b:5');
    await ann.client.leave(A);
    await bob.sees('ann', 1, 'b:5');
    const before = bob.syncs.length;
    for (const x of [1, 2]) {
      ann.client.socket.emit('presence:update', { roomId: 'r', cursor: { x, y: 0 } });
      await waitFor(() => bob.people.get('ann')?.cursor?.x === x, { what: 'the move' });
    }
    // A state that changes is none of its own either.
    ann.announce(B, 5);
    ann.client.socket.emit('presence:update', { roomId: 'r', cursor: { x: 3, y: 0 } });
    await waitFor(() => bob.people.get('ann')?.cursor?.x === 3, { what: 'the move' });
    const moves = bob.syncs.slice(before).flatMap(({ users }) => users);
    expect(moves.map((person) => Object.keys(person))).toEqual(
      moves.map(() => ['userId', 'cursor', 'selection', 'viewport']),
    );
  });

  it('nobody gets the client id of another in a document, and in another document it is told as of that one', async () => {
    const { url } = await openGateway();
    const ann = await Tab.in(url, 'ann', 1);
    const eve = await Tab.in(url, 'eve');
    eve.announce(A, 1);
    await waitFor(() => eve.client.nacks().length === 1, { what: 'the nack' });
    await eve.client.join(B);
    eve.announce(B, 1);
    await ann.sees('eve', 1, 'b:1');
    await ann.sees('ann', 1, 'a:1');
  });

  it('a connection that the same provider has taken over keeps none of its client ids', async () => {
    const { url } = await openGateway();
    const bob = await Tab.in(url, 'bob');
    const old = await Tab.in(url, 'ann', 1);
    const again = new Tab(await RawClient.connect(url, { auth: { token: 'ann' } }));
    await again.client.join({ ...A, senderId: old.client.senderId });
    await bob.sees('ann', 2, 'a:1');
    old.client.socket.disconnect();
    await bob.sees('ann', 1);
    expect(bob.left).toEqual([]);
  });

  it('nobody gets the client id of somebody at another gateway, not even to take it away; the same person does', async () => {
    const log = await openLog();
    const [here, there] = [await openGateway(log), await openGateway(log)];
    const ann = await Tab.in(there.url, 'ann', 1);
    const eve = await Tab.in(here.url, 'eve');
    await eve.sees('ann', 1, 'a:1');
    for (let newer = 0; newer < 3; newer++) eve.announce(A, 1);
    eve.withdraw(A, 1);
    await waitFor(() => eve.client.nacks().length === 4, { what: 'the refusals' });
    expect(new Set(eve.client.nacks().map(({ code }) => code))).toEqual(new Set(['FOREIGN_AWARENESS']));
    await ann.sees('ann', 1, 'a:1');
    await ann.sees('eve', 1);
    // Her page has come to this gateway, and the other one does not know yet that she has gone.
    const again = await Tab.in(here.url, 'ann');
    again.announce(A, 1);
    again.announce(A, 1);
    await ann.sees('ann', 2, 'a:1');
    expect(again.client.nacks()).toEqual([]);
  });

  it('of too many client ids the first are told', async () => {
    const { url } = await openGateway();
    const bob = await Tab.in(url, 'bob');
    const ids = (from: number) => Array.from({ length: 20 }, (_, index) => from + index);
    const ann = await Tab.in(url, 'ann', ...ids(100));
    await bob.sees('ann', 1, `a:${ids(100).join()}`);
    await ann.client.join(B);
    ann.announce(B, ...ids(200));
    await bob.sees('ann', 1, `a:${ids(100).join()}`, `b:${ids(200).slice(0, 12).join()}`);
  });

  it('they are told over all gateways, and go with one that dies', async () => {
    const log = await openLog();
    const clock = new ForwardClock();
    const survivor = await openGateway(log, { clock });
    let isDead = false;
    const stream = new Proxy(log.stream, {
      get: (target, name) => {
        if (name === 'append' && isDead) return () => new Promise(() => undefined);
        const value: unknown = Reflect.get(target, name);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
    const dying = await openGateway(log, { stream });
    const bob = await Tab.in(survivor.url, 'bob');
    await Tab.in(survivor.url, 'ann', 1);
    const there = await Tab.in(dying.url, 'ann', 2);
    await bob.sees('ann', 2, 'a:1,2');
    await there.client.join(B);
    there.announce(B, 3);
    await bob.sees('ann', 2, 'a:1,2', 'b:3');
    isDead = true;
    await clock.hastenUntil(() => bob.idsOf('ann') === 'a:1', 'what was at the other one has gone');
    await bob.sees('ann', 1, 'a:1');
    expect(bob.left).toEqual([]);
  });
});
