import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApiClient } from '../support/api-client.ts';
import { WHEN_TOLD } from '../support/at-once.ts';
import { BoardEditor } from '../support/board-editor.ts';
import type { TestServer } from '../support/embedded.ts';
import { waitFor } from '../support/wait.ts';

interface Row {
  userId: string;
  role: string;
  inherited: boolean;
}

/** What the owners of a board can do for people of its workspace, who need no invite. */
export function rolesGiven(start: () => Promise<TestServer>): void {
  describe('a role on a board for somebody of its workspace', () => {
    let server: TestServer;
    let api: ApiClient;
    let [owner, member] = ['', ''];
    let [team, board] = ['', ''];
    const editors: BoardEditor[] = [];

    beforeAll(async () => {
      server = await start();
      api = new ApiClient(server);
      [owner, member] = [await api.person('Ada'), await api.person('Bob')];
      const accounts = await api.accounts;
      team = (await accounts.workspaces.create(owner, { id: randomUUID(), name: 'Team' })).id;
      await accounts.workspaceMembers.add(owner, team, { memberId: member, role: 'member' });
      board = (await accounts.boards.create(owner, team, { id: randomUUID(), name: 'Board' })).id;
    });
    afterAll(() => {
      for (const editor of editors) editor.close();
    });

    function open(userId: string): Promise<BoardEditor> {
      const editor = new BoardEditor(board, { url: server.url, getToken: () => `token-of-${userId}` });
      editors.push(editor);
      return editor.synced();
    }
    const give = async (userId: string, role: string, as = owner) => {
      const path = `/api/boards/${board}/members/${userId}`;
      return (await api.ask('patch', path, { as, body: { role } })).status;
    };
    const listed = async (as: string) => {
      const { body } = await api.ask('get', `/api/boards/${board}/members`, { as });
      return (body as { rows: Row[] }).rows.map((row) => [row.userId, row.role, row.inherited]);
    };

    it('makes who sees it an editor at once, on her open page', async () => {
      const [hers, his] = [await open(owner), await open(member)];
      expect(his.state.isReadOnly).toBe(true);
      expect(await listed(member)).toEqual([
        [owner, 'owner', false],
        [member, 'viewer', true],
      ]);
      expect(await give(member, 'editor', member)).toBe(403);
      expect(await give(member, 'editor')).toBe(204);
      await waitFor(() => !his.state.isReadOnly && his.state.isSynced, WHEN_TOLD);
      his.type('his');
      await waitFor(() => hers.text === 'his', { what: 'what he writes' });
      expect(await listed(member)).toEqual([
        [owner, 'owner', false],
        [member, 'editor', false],
      ]);
    });

    it('is taken back at once, and leaves what the workspace gives', async () => {
      const his = await open(member);
      const path = `/api/boards/${board}/members/${member}`;
      expect(await give(member, 'editor')).toBe(204);
      expect((await api.ask('delete', path, { as: owner })).status).toBe(204);
      await waitFor(() => his.state.isReadOnly && his.state.isSynced, WHEN_TOLD);
      expect((await api.ask('delete', path, { as: owner })).body).toMatchObject({ code: 'MEMBER_NOT_FOUND' });
    });

    it('is for nobody else: who is not in the workspace is invited', async () => {
      const stranger = await api.person('Eve');
      expect(await give(stranger, 'viewer')).toBe(404);
      expect((await api.ask('get', `/api/boards/${board}`, { as: stranger })).status).toBe(404);
    });

    it('can be that of its owner', async () => {
      const path = `/api/boards/${board}/transfer`;
      expect((await api.ask('post', path, { as: owner, body: { userId: member } })).status).toBe(204);
      // Who made it is an editor of it, and owns it by the workspace on.
      expect(await listed(owner)).toEqual([
        [owner, 'owner', true],
        [member, 'owner', false],
      ]);
    });
  });
}
