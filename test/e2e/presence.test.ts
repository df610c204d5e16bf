import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import { ProtocolManager } from '../../lib/provider/index.ts';
import { startEmbedded, stopServers, type TestServer } from '../support/embedded.ts';
import { waitFor } from '../support/wait.ts';

let server: TestServer;
const managers: ProtocolManager[] = [];
let rooms = 0;

beforeAll(async () => {
  server = await startEmbedded();
});
afterEach(() => {
  for (const manager of managers.splice(0)) manager.destroy();
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
    await waitFor(() => ann.manager.presence.people.get(bob.self)?.cursor?.x === 99, { what: 'the cursor' });
    expect(ann.manager.presence.people.get(bob.self)).toMatchObject({
      selection: ['a', 'b'],
      viewport: { x: 3, y: 4, zoom: 2 },
    });
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
