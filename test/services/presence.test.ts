import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { PeopleSlice } from '../../lib/presence/reader.ts';
import { startEmbedded, stopServers, type TestServer } from '../support/embedded.ts';
import { waitFor } from '../support/wait.ts';
import { cleanUp } from '../unit/gateway/harness.ts';
import { RawClient } from '../unit/gateway/raw-client.ts';

let server: TestServer;
let rooms = 0;

beforeAll(async () => {
  server = await startEmbedded();
});
afterEach(cleanUp);
afterAll(stopServers);

const peopleOf = (roomId: string, query: object = {}) =>
  server.broker.call<PeopleSlice, object>('presence.rooms.get', { roomId, ...query });

async function enter(roomId: string): Promise<RawClient> {
  const client = await RawClient.connect(server.url);
  await client.join({ roomId, docId: 'd' });
  return client;
}

describe('presence service, for an operator', () => {
  it('tells who is in a room, with what they show, until they have gone', async () => {
    const roomId = `room ${++rooms}`;
    expect(await peopleOf(roomId)).toEqual({ total: 0, people: [] });
    const [ann, bob] = [await enter(roomId), await enter(roomId)];
    await waitFor(async () => (await peopleOf(roomId)).total === 2);
    ann.socket.emit('presence:update', { roomId, cursor: { x: 1, y: 2 } });
    await waitFor(async () => (await peopleOf(roomId)).people.some(({ cursor }) => cursor?.x === 1));
    const { people } = await peopleOf(roomId);
    expect(people.find(({ cursor }) => cursor)).toEqual({
      userId: expect.any(String),
      name: null,
      cursor: { x: 1, y: 2 },
      connections: 1,
      lastSeen: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    });
    expect(people.find(({ cursor }) => !cursor)).toMatchObject({ lastSeen: null });
    const second = await peopleOf(roomId, { page: 2, pageSize: 1 });
    expect(second).toEqual({ total: 2, people: [people[1]] });
    bob.socket.disconnect();
    await waitFor(async () => (await peopleOf(roomId)).total === 1);
  });

  it('counts many rooms at once, in the tenant that is asked for', async () => {
    const [full, empty] = [`room ${++rooms}`, `room ${++rooms}`];
    await enter(full);
    const count = (query: object) =>
      server.broker.call<Record<string, number | null>, object>('presence.rooms.count', query);
    const roomIds = [full, empty];
    await waitFor(async () => (await count({ roomIds }))[full] === 1);
    expect(await count({ roomIds })).toEqual({ [full]: 1, [empty]: 0 });
    expect(await count({ roomIds, tenantId: 'other' })).toEqual({ [full]: 0, [empty]: 0 });
    expect(await count({ roomIds: full })).toEqual({ [full]: 1 });
    await expect(count({ roomIds: [] })).rejects.toMatchObject({ code: 422 });
  });

  it('tells nobody who has not signed in who is on a board', async () => {
    const boardId = '0a0a0a0a-0a0a-4a0a-8a0a-0a0a0a0a0a0a';
    await expect(server.broker.call('presence.people.list', { boardId })).rejects.toMatchObject({
      type: 'UNAUTHENTICATED',
    });
  });
});
