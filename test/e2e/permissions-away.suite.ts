import { randomUUID } from 'node:crypto';
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { BoardRole } from '../../lib/accounts/rules.ts';
import type { RoomView } from '../../lib/gateway/port.ts';
import { ApiClient } from '../support/api-client.ts';
import { BoardEditor } from '../support/board-editor.ts';
import type { TestServer } from '../support/embedded.ts';
import { WHEN_TOLD } from '../support/at-once.ts';
import { waitFor } from '../support/wait.ts';
import permissions from '../../services/permissions.service.ts';

let server: TestServer;
let api: ApiClient;
let owner: string;
const editors: BoardEditor[] = [];

/** Nobody can be asked from here on. What was changed before has been heard: changes come in their order. */
async function takeAway(): Promise<void> {
  const witness = await api.person();
  const boardId = await makeBoard(await makeTeam(), { [witness]: 'viewer' });
  const editor = await open(witness, boardId);
  const path = `/api/boards/${boardId}/members/${witness}`;
  expect((await api.ask('delete', path, { as: owner })).status).toBe(204);
  await waitFor(() => editor.denied.length > 0, { ...WHEN_TOLD, what: 'the last change is heard' });
  editor.close();
  await server.broker.destroyService(server.broker.getLocalService('permissions'));
}

async function bringBack(): Promise<void> {
  if (server.broker.getLocalService('permissions')) return;
  server.broker.createService(permissions);
  await server.broker.waitForServices('permissions');
}

async function makeTeam(): Promise<string> {
  const team = await (await api.accounts).workspaces.create(owner, { id: randomUUID(), name: 'Team' });
  return team.id;
}

async function makeBoard(workspaceId: string, roles: Record<string, BoardRole> = {}): Promise<string> {
  const accounts = await api.accounts;
  const { id } = await accounts.boards.create(owner, workspaceId, { id: randomUUID(), name: 'Board' });
  for (const [userId, role] of Object.entries(roles)) {
    const { token } = await accounts.invites.create(owner, id, { id: randomUUID(), role });
    await accounts.invites.accept(userId, token);
  }
  return id;
}

async function open(userId: string, boardId: string): Promise<BoardEditor> {
  const getToken = () => `token-of-${userId}`;
  const editor = new BoardEditor(boardId, { url: server.url, getToken });
  editors.push(editor);
  return editor.synced();
}

async function subscriptionsOf(boardId: string): Promise<number> {
  const rooms = await server.broker.call<RoomView[], object>('gateway.rooms.list', {});
  const documents = rooms.find(({ roomId }) => roomId === boardId)?.documents ?? [];
  return documents.reduce((sum, { subscriptions }) => sum + subscriptions, 0);
}

/** She is told at once, for good, and can bring nothing in any more. */
async function isShutOut(editor: BoardEditor): Promise<void> {
  await waitFor(() => editor.denied.length > 0, { ...WHEN_TOLD, what: 'she is told' });
  expect(editor.denied[0]).toMatchObject({ code: 'PERMISSION_DENIED' });
  expect(editor.state).toMatchObject({ halted: 'refused', isSynced: false });
}

/** What goes on, and what does not, while nobody can say who may do what. */
export function permissionsAway(start: () => Promise<TestServer>): void {
  describe('while the permissions service is away', () => {
    beforeAll(async () => {
      server = await start();
      api = new ApiClient(server);
      owner = await api.person('Ada');
    });

    afterEach(async () => {
      for (const editor of editors.splice(0)) editor.close();
      await bringBack();
    });

    it('who is removed from a board is shut out, others go on', async () => {
      const [guest, other] = [await api.person(), await api.person()];
      const team = await makeTeam();
      const boardId = await makeBoard(team, { [guest]: 'editor', [other]: 'editor' });
      const [of, stays] = [await open(guest, boardId), await open(other, boardId)];
      await takeAway();
      const path = `/api/boards/${boardId}/members/${guest}`;
      expect((await api.ask('delete', path, { as: owner })).status).toBe(204);
      await isShutOut(of);
      stays.type('goes on');
      await stays.saved();
      expect(of.text).toBe('');
    });

    it('who leaves the workspace is shut out of all its boards', async () => {
      const member = await api.person();
      const team = await makeTeam();
      await (await api.accounts).workspaceMembers.add(owner, team, { memberId: member, role: 'admin' });
      const boards = [await makeBoard(team), await makeBoard(team)];
      const opened = await Promise.all(boards.map((boardId) => open(member, boardId)));
      await takeAway();
      expect((await api.ask('post', `/api/workspaces/${team}/leave`, { as: member })).status).toBe(204);
      for (const editor of opened) await isShutOut(editor);
    });

    it('a board that is deleted closes for everybody; one that is restored is there again in open pages', async () => {
      const guest = await api.person();
      const boardId = await makeBoard(await makeTeam(), { [guest]: 'viewer' });
      const opened = [await open(owner, boardId), await open(guest, boardId)];
      await takeAway();
      expect((await api.ask('delete', `/api/boards/${boardId}`, { as: owner })).status).toBe(204);
      for (const editor of opened) await isShutOut(editor);
      await bringBack();
      expect((await api.ask('post', `/api/boards/${boardId}/restore`, { as: owner })).status).toBe(200);
      for (const editor of opened) await editor.synced();
      expect(opened.map(({ state }) => state.isReadOnly)).toEqual([false, true]);
      expect(opened.map(({ denied }) => denied.length)).toEqual([1, 1]);
    });

    it('who keeps a role by the workspace is not shut out: she waits for the answer, and reads on', async () => {
      const member = await api.person();
      const team = await makeTeam();
      await (await api.accounts).workspaceMembers.add(owner, team, { memberId: member, role: 'member' });
      const boardId = await makeBoard(team, { [member]: 'editor' });
      const editor = await open(member, boardId);
      await takeAway();
      const path = `/api/boards/${boardId}/members/${member}`;
      expect((await api.ask('delete', path, { as: owner })).status).toBe(204);
      await waitFor(async () => (await subscriptionsOf(boardId)) === 0, {
        ...WHEN_TOLD,
        what: 'the old right has ended',
      });
      editor.type('late');
      await bringBack();
      await waitFor(() => editor.state.isReadOnly && editor.state.isSynced, {
        ...WHEN_TOLD,
        what: 'she reads on',
      });
      // What she typed without the right is given back.
      await waitFor(() => editor.replaced.length > 0, WHEN_TOLD);
      expect(editor.denied).toMatchObject([{ code: 'READ_ONLY' }]);
      expect(editor.text).toBe('');
    });
  });
}
