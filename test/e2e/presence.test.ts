import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Awareness } from 'y-protocols/awareness';
import * as Y from 'yjs';
import { ProtocolManager, type ManagerOptions } from '../../lib/provider/index.ts';
import { ApiClient } from '../support/api-client.ts';
import { makeBoardWorld, makePeople } from '../support/board-world.ts';
import { startEmbedded, stopServers, type TestServer } from '../support/embedded.ts';
import { waitFor } from '../support/wait.ts';

let server: TestServer;
const managers: ProtocolManager[] = [];
const awarenesses: Awareness[] = [];
let rooms = 0;

beforeAll(async () => {
  server = await startEmbedded();
});
afterEach(() => {
  for (const manager of managers.splice(0)) manager.destroy();
  for (const awareness of awarenesses.splice(0)) awareness.destroy();
});
afterAll(() => stopServers());

const newRoom = () => `presence-${++rooms}`;

/** A tab with one document of the room open, and what it is told of people. */
async function openTab(roomId: string) {
  const manager = new ProtocolManager({ url: server.url, roomId, reconnectMinMs: 20 });
  managers.push(manager);
  const told: string[] = [];
  manager.presence.on('presence-join', ({ userId }) => told.push(`+${userId}`));
  manager.presence.on('presence-leave', ({ userId }) => told.push(`-${userId}`));
  manager.addDoc(new Y.Doc(), { docId: 'doc' });
  await waitFor(() => manager.presence.self !== undefined, { what: 'the own person' });
  return { manager, told, self: manager.presence.self! };
}

describe('people in a room, by the provider', () => {
  it('are told once when somebody comes and goes, and see what is shown', async () => {
    const roomId = newRoom();
    const ann = await openTab(roomId);
    const bob = await openTab(roomId);
    await waitFor(() => ann.told.includes(`+${bob.self}`), { what: 'the join' });
    bob.manager.presence.update({ cursor: { x: 1, y: 2 } });
    bob.manager.presence.update({ selection: ['a', 'b'] });
    bob.manager.presence.viewport({ x: 3, y: 4, zoom: 2 });
    for (let x = 0; x < 100; x++) bob.manager.presence.update({ cursor: { x, y: 2 } });
    const seen = () => ann.manager.presence.people.get(bob.self);
    // It is shown in two messages.
    await waitFor(() => seen()?.cursor?.x === 99 && seen()?.viewport, { what: 'cursor and viewport' });
    expect(seen()).toMatchObject({ selection: ['a', 'b'], viewport: { x: 3, y: 4, zoom: 2 } });
    bob.manager.destroy();
    await waitFor(() => ann.told.includes(`-${bob.self}`), { what: 'the leave' });
    expect(ann.told).toEqual([`+${ann.self}`, `+${bob.self}`, `-${bob.self}`]);
  });

  it('what is shown is shown again after the connection was lost, without being said again', async () => {
    const roomId = newRoom();
    const ann = await openTab(roomId);
    const bob = await openTab(roomId);
    bob.manager.presence.update({ cursor: { x: 5, y: 5 } });
    await waitFor(() => ann.manager.presence.people.get(bob.self)?.cursor?.x === 5);
    bob.manager.disconnect();
    expect(bob.manager.presence.people.size).toBe(0);
    bob.manager.connect();
    await waitFor(
      () =>
        [...ann.manager.presence.people.values()].some(
          (who) => who.userId !== bob.self && who.cursor?.x === 5,
        ),
      { what: 'the cursor of the new connection' },
    );
    expect(ann.told.filter((told) => told === `-${bob.self}`)).toHaveLength(1);
  });

  it('who lets go of the last document of the room is in it no more', async () => {
    const roomId = newRoom();
    const ann = await openTab(roomId);
    const bob = await openTab(roomId);
    bob.manager.removeDoc('doc');
    await waitFor(() => ann.told.includes(`-${bob.self}`), { what: 'the leave' });
    await waitFor(() => bob.manager.presence.people.size === 0, { what: 'nobody known' });
    expect(bob.manager.presence.self).toBeUndefined();
  });
});

/** A tab that shows a name in the awareness of its document. */
async function openNamedTab(name: string, options: ManagerOptions) {
  const manager = new ProtocolManager({ reconnectMinMs: 20, ...options });
  managers.push(manager);
  const awareness = new Awareness(new Y.Doc());
  awarenesses.push(awareness);
  awareness.setLocalState({ name });
  manager.addDoc(awareness.doc, { docId: 'doc', awareness });
  await waitFor(() => manager.presence.self !== undefined, { what: 'the own person' });
  return { manager, awareness, self: manager.presence.self! };
}

type Tab = Awaited<ReturnType<typeof openNamedTab>>;

/** As a page shows them: each person by what the tabs say, with how many of them there are. */
const listOf = ({ manager }: Tab) =>
  manager.people
    .list()
    .map(({ awareness, connections, isSelf, clientIds }) => {
      const names = awareness.map(({ state }) => String(state.name)).sort();
      return `${names.join('+')} ${connections}/${clientIds.length}${isSelf ? ' (you)' : ''}`;
    })
    .sort()
    .join(', ');

async function shows(tab: Tab, list: string): Promise<void> {
  await waitFor(() => listOf(tab) === list, { what: `${list}, not ${listOf(tab)}` });
}

describe('one list of people and what their tabs show', () => {
  it('two tabs of one person are one with two connections and two client ids; a closed one takes its own away', async () => {
    const accounts = await startEmbedded({ auth: 'accounts' });
    const people = await makePeople(new ApiClient(accounts));
    const { boardId } = await makeBoardWorld(accounts, people);
    const open = (name: string, userId: string) =>
      openNamedTab(name, { url: accounts.url, roomId: boardId, getToken: () => `token-of-${userId}` });
    const watcher = await open('viewer', people.viewer);
    const [first, second] = [await open('one', people.editor), await open('two', people.editor)];
    let told = '';
    watcher.manager.people.on('people', () => (told = listOf(watcher)));
    await shows(watcher, 'one+two 2/2, viewer 1/1 (you)');
    await shows(first, 'one+two 2/2 (you), viewer 1/1');
    await shows(second, 'one+two 2/2 (you), viewer 1/1');
    const editor = watcher.manager.people.list().find(({ userId }) => userId === people.editor);
    expect([...editor!.clientIds].sort()).toEqual(
      [first.awareness.clientID, second.awareness.clientID].sort(),
    );
    first.manager.destroy();
    await shows(watcher, 'two 1/1, viewer 1/1 (you)');
    await waitFor(() => told === 'two 1/1, viewer 1/1 (you)', { what: `the event, not ${told}` });
    second.awareness.setLocalState({ name: 'renamed' });
    await waitFor(() => told === 'renamed 1/1, viewer 1/1 (you)', { what: `the event, not ${told}` });
  });

  it('without accounts every tab is a person, also after its connection was lost', async () => {
    const options = { url: server.url, roomId: newRoom() };
    const ann = await openNamedTab('ann', options);
    const bob = await openNamedTab('bob', options);
    await shows(ann, 'ann 1/1 (you), bob 1/1');
    await shows(bob, 'ann 1/1, bob 1/1 (you)');
    bob.manager.disconnect();
    await shows(ann, 'ann 1/1 (you)');
    expect(listOf(bob)).toBe('');
    bob.manager.connect();
    await shows(ann, 'ann 1/1 (you), bob 1/1');
    await shows(bob, 'ann 1/1, bob 1/1 (you)');
  });
});
