import { afterEach, describe, expect, it } from '@jest/globals';
import { Awareness } from 'y-protocols/awareness';
import * as Y from 'yjs';
import { TestWorld, type TestClient } from './harness.ts';

let world: TestWorld;
const opened: Awareness[] = [];
afterEach(() => {
  world.destroy();
  for (const awareness of opened.splice(0)) awareness.destroy();
});

const SHOWN = { cursor: null, selection: [], viewport: null };

function open(client: TestClient, docId = 'doc') {
  const awareness = new Awareness(new Y.Doc());
  opened.push(awareness);
  client.manager.addDoc(awareness.doc, { docId, awareness });
  return awareness;
}

/** Two connections in one document, and what the first is told of the people. */
function start() {
  world = new TestWorld();
  const [a, b] = [world.client(), world.client()];
  const [own, other] = [open(a), open(b)];
  world.run();
  const told: number[] = [];
  a.manager.people.on('people', ({ people }) => told.push(people.length));
  const hear = (event: 'join' | 'leave' | 'sync', content: object) =>
    a.manager.presence.receive({ event: `presence:${event}`, content: { roomId: 'room', ...content } });
  const everybody = (...users: object[]) =>
    hear('sync', { all: true, self: 'ann', users: users.map((user) => ({ ...SHOWN, ...user })) });
  return { ...{ a, b, own, other, told, hear, everybody }, manager: a.manager };
}

const clients = (...clientIds: number[]) => [{ docId: 'doc', clientIds }];

describe('one list of the people of a room', () => {
  it('puts the awareness states of all tabs of a person with what the person shows', () => {
    const { manager, own, other, everybody } = start();
    own.setLocalState({ tab: 1 });
    other.setLocalState({ tab: 2 });
    world.run();
    everybody(
      {
        userId: 'ann',
        user: { name: 'Ann' },
        connections: 2,
        clients: clients(own.clientID, other.clientID),
      },
      { userId: 'bob', user: {}, connections: 1, clients: clients(9), cursor: { x: 1, y: 2 } },
    );
    expect(manager.people.list()).toEqual([
      {
        ...{ userId: 'ann', user: { name: 'Ann' }, isSelf: true, ...SHOWN, connections: 2 },
        clients: clients(own.clientID, other.clientID),
        clientIds: [own.clientID, other.clientID],
        awareness: [
          { docId: 'doc', clientId: own.clientID, state: { tab: 1 } },
          { docId: 'doc', clientId: other.clientID, state: { tab: 2 } },
        ],
      },
      {
        ...{ userId: 'bob', user: {}, isSelf: false, ...SHOWN, cursor: { x: 1, y: 2 }, connections: 1 },
        ...{ clients: clients(9), clientIds: [9], awareness: [] },
      },
    ]);
  });

  it('takes a state only from the document for which the server has told the client id', () => {
    const { manager, other, everybody } = start();
    other.setLocalState({ of: 'cleo' });
    world.run();
    everybody(
      { userId: 'eve', user: {}, connections: 1, clients: [{ docId: 'other', clientIds: [other.clientID] }] },
      { userId: 'sub', user: {}, clients: [{ docId: 'doc', subdocId: 's', clientIds: [other.clientID] }] },
      { userId: 'cleo', user: {}, connections: 1, clients: clients(other.clientID) },
    );
    const states = manager.people.list().map(({ userId, awareness }) => [userId, awareness.length]);
    expect(states).toEqual([
      ['eve', 0],
      ['sub', 0],
      ['cleo', 1],
    ]);
  });

  it('the own states are the own person’s, whatever the server says or does not say yet', () => {
    const { manager, own, everybody } = start();
    own.setLocalState({ name: 'Ann' });
    everybody({ userId: 'ann', user: {} }, { userId: 'lost', user: {}, clients: clients(own.clientID) });
    const [ann, lost] = manager.people.list();
    expect(ann).toMatchObject({ isSelf: true, connections: 1, clientIds: [] });
    expect(ann!.awareness).toEqual([{ docId: 'doc', clientId: own.clientID, state: { name: 'Ann' } }]);
    expect(lost!.awareness).toEqual([]);
  });

  it('connections and client ids stay with a move that does not tell them, and change with one that does', () => {
    const { manager, hear, everybody } = start();
    everybody({ userId: 'ann', user: {}, connections: 1, clients: [] });
    hear('join', { userId: 'bob', user: {}, connections: 2, clients: clients(4, 5) });
    const bob = () => manager.presence.people.get('bob');
    expect(bob()).toMatchObject({ connections: 2, clientIds: [4, 5] });
    hear('sync', { users: [{ userId: 'bob', ...SHOWN, cursor: { x: 3, y: 0 } }] });
    expect(bob()).toMatchObject({ cursor: { x: 3 }, connections: 2, clientIds: [4, 5] });
    hear('sync', { users: [{ userId: 'bob', ...SHOWN, connections: 1, clients: clients(5) }] });
    expect(bob()).toMatchObject({ connections: 1, clientIds: [5] });
  });

  it('tells of everything that changes once in a tick, and of nothing else', () => {
    const { manager, own, other, told, hear, everybody } = start();
    told.length = 0;
    everybody({ userId: 'ann', user: {} });
    hear('join', { userId: 'bob', user: {}, connections: 1, clients: clients(other.clientID) });
    own.setLocalState({ name: 'Ann' });
    world.run(0);
    expect(told).toEqual([2]);
    other.setLocalState({ name: 'Bob' });
    world.run();
    expect(told).toEqual([2, 2]);
    world.run(1000);
    expect(told).toEqual([2, 2]);
    expect(manager.people.list()[1]!.awareness).toMatchObject([{ state: { name: 'Bob' } }]);
    manager.removeDoc('doc');
    world.run(0);
    expect(told).toHaveLength(3);
    expect(manager.people.list().map(({ awareness }) => awareness)).toEqual([[], []]);
    manager.disconnect();
    world.run(0);
    expect([told.at(-1), manager.people.list()]).toEqual([0, []]);
    manager.destroy();
    own.setLocalState({ name: 'again' });
    const before = told.length;
    world.run(0);
    expect(told).toHaveLength(before);
  });
});
