import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { PeopleSlice } from '../../lib/presence/reader.ts';
import { ApiClient } from '../support/api-client.ts';
import { makeBoardWorld, makePeople } from '../support/board-world.ts';
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

describe('presence service, over HTTP', () => {
  /** Few: a slow machine gives hardly one back while a test asks more than these. */
  const QUESTIONS = 4;

  it('tells who may see a board who is on it, and a member of the workspace how many are on each', async () => {
    const accounts = await startEmbedded({ auth: 'accounts', presenceQuestionsPerMinute: QUESTIONS });
    const api = new ApiClient(accounts);
    const people = await makePeople(api);
    const { boardId, workspaceId } = await makeBoardWorld(accounts, people);
    const ask = async (path: string, as: string) => {
      const { body } = await api.ask('get', path, { as });
      return body as { rows: object[]; total: number };
    };
    const onBoard = `/api/boards/${boardId}/presence`;
    expect(await ask(onBoard, people.viewer)).toMatchObject({ rows: [], total: 0 });
    for (const userId of [people.editor, people.editor, people.owner]) {
      const client = await RawClient.connect(accounts.url, { auth: { token: `token-of-${userId}` } });
      await client.join({ roomId: boardId, docId: 'd' });
    }
    const room = { roomId: boardId, tenantId: workspaceId };
    const here = () => accounts.broker.call<PeopleSlice, object>('presence.rooms.get', room);
    await waitFor(async () => (await here()).total === 2, { what: 'two people' });
    const page = await ask(`${onBoard}?pageSize=1&page=2`, people.viewer);
    const [first, second] = [people.editor, people.owner].sort();
    expect(page).toMatchObject({ total: 2, page: 2, pageSize: 1, totalPages: 2 });
    expect(page.rows).toMatchObject([{ userId: second, connections: second === people.editor ? 2 : 1 }]);
    expect((await ask(onBoard, people.viewer)).rows).toMatchObject([{ userId: first }, { userId: second }]);
    const counts = await ask(`/api/workspaces/${workspaceId}/presence?search=board`, people.member);
    expect(counts).toMatchObject({ rows: [{ boardId, people: 2 }], total: 1 });
    expect(await ask(onBoard, people.stranger)).toMatchObject({ code: 'BOARD_NOT_FOUND' });

    // Who asks too often is told when to come again; others, and other questions, are answered.
    const burst = (path: string, as: string, length: number) =>
      Promise.all(Array.from({ length }, () => api.ask('get', path, { as })));
    const isRefused = ({ status }: { status: number }) => status === 429;
    const answers = await burst(onBoard, people.viewer, 3 * QUESTIONS);
    const refused = answers.filter(isRefused);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThan(answers.length);
    expect(refused[0]!.body).toMatchObject({ code: 'RATE_LIMITED' });
    expect(Number(refused[0]!.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await api.ask('get', `/api/boards/${boardId}`, { as: people.viewer })).status).toBe(200);
    const others = await burst(onBoard, people.member, QUESTIONS / 2);
    expect(others.map(({ status }) => status)).toEqual(others.map(() => 200));
    // Both questions are counted together.
    await burst(`/api/workspaces/${workspaceId}/presence`, people.member, 2 * QUESTIONS);
    expect((await burst(onBoard, people.member, QUESTIONS / 2)).some(isRefused)).toBe(true);
  });
});
