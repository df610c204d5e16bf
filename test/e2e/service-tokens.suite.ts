import { randomUUID } from 'node:crypto';
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { RoomRoles } from '../../lib/accounts/principal.ts';
import { BoardEditor } from '../support/board-editor.ts';
import type { TestServer } from '../support/embedded.ts';
import { LocalPerson } from '../support/local-person.ts';
import { WHEN_TOLD } from '../support/at-once.ts';
import { waitFor } from '../support/wait.ts';

let server: TestServer;
let ada: LocalPerson;
let board: { id: string; workspaceId: string };
const editors: BoardEditor[] = [];

function edit(roomId: string, getToken: () => Promise<string>): BoardEditor {
  const editor = new BoardEditor(roomId, { url: server.url, getToken });
  editors.push(editor);
  return editor;
}

async function create(rooms: RoomRoles, { tenantId = board.workspaceId, lifeMs = 60_000 } = {}) {
  const params = { name: 'exporter', tenantId, rooms, lifeMs };
  return server.broker.call<{ id: string; token: string }, object>('auth.serviceTokens.create', params);
}

const serviceToken = async (...[rooms, more]: Parameters<typeof create>) => (await create(rooms, more)).token;

const revoke = (params: object) =>
  server.broker.call<{ revoked: number }, object>('auth.serviceTokens.revoke', params);

/** It is told that its token is not taken; on a slow machine an attempt to connect may come to nothing before that. */
async function isRefused({ notices, errors }: BoardEditor): Promise<void> {
  const isSaid = () => [...notices, ...errors].some(({ code }) => code === 'UNAUTHENTICATED');
  await waitFor(isSaid, { timeoutMs: 30_000, what: 'the token is not taken' });
}

/** What other servers may do with a token of their own. */
export function serviceTokens(start: () => Promise<TestServer>): void {
  describe('the token of a server', () => {
    beforeAll(async () => {
      server = await start();
      ada = await LocalPerson.signIn('Ada', server.url);
      board = await ada.makeBoard('Plan');
      const own = await edit(board.id, async () => (await ada.session()).accessToken).synced();
      own.type('of Ada');
      await own.saved();
    });
    afterEach(() => {
      for (const editor of editors.splice(0)) editor.close();
    });

    it('lets it read the boards that are named, and write none that it may only read', async () => {
      const token = await serviceToken({ [board.id]: 'viewer' });
      const reader = await edit(board.id, async () => token).synced();
      expect([reader.text, reader.state.isReadOnly]).toEqual(['of Ada', true]);
      reader.type('!');
      await waitFor(() => reader.denied.length > 0);
      expect(reader.denied[0]).toMatchObject({ code: 'READ_ONLY' });
      const own = await edit(board.id, async () => (await ada.session()).accessToken).synced();
      expect(own.text).toBe('of Ada');
    });

    it('lets it write where it may', async () => {
      const other = await ada.makeBoard('Report');
      const token = await serviceToken({ [other.id]: 'editor' });
      const writer = await edit(other.id, async () => token).synced();
      writer.type('of a server');
      await writer.saved();
      const own = await edit(other.id, async () => (await ada.session()).accessToken).synced();
      expect(own.text).toBe('of a server');
    });

    it('opens no other board, and no board of another tenant under the same name', async () => {
      const other = await ada.makeBoard('Diary');
      const token = await serviceToken({ [board.id]: 'viewer' });
      const refused = edit(other.id, async () => token);
      await waitFor(() => refused.denied.length > 0);
      expect(refused.denied[0]).toMatchObject({ code: 'PERMISSION_DENIED' });
      const elsewhere = await serviceToken({ [board.id]: 'viewer' }, { tenantId: 'elsewhere' });
      expect((await edit(board.id, async () => elsewhere).synced()).text).toBe('');
    });

    it('is no person: the HTTP API and sessions are closed to it', async () => {
      const token = await serviceToken({ [board.id]: 'owner' });
      for (const path of [`/api/boards/${board.id}`, '/api/boards', '/api/auth/me', '/api/auth/sessions']) {
        const headers = { authorization: `Bearer ${token}` };
        expect([path, (await fetch(`${server.url}${path}`, { headers })).status]).toEqual([path, 403]);
      }
    });

    it('can be revoked: its connections are closed at once, and it opens none; others go on', async () => {
      const [one, other] = [await create({ [board.id]: 'editor' }), await create({ [board.id]: 'editor' })];
      const [bad, good] = [one, other].map(({ token }) => edit(board.id, async () => token));
      await Promise.all([bad!.synced(), good!.synced()]);
      const listed = await server.broker.call<{ rows: { id: string }[] }, object>('auth.serviceTokens.list', {
        tenantId: board.workspaceId,
      });
      expect(listed.rows.map(({ id }) => id)).toEqual(expect.arrayContaining([one.id, other.id]));
      expect(JSON.stringify(listed)).not.toContain(one.token.split('.')[2]);
      expect(await revoke({ id: one.id })).toEqual({ revoked: 1 });
      await waitFor(() => bad!.notices.length > 0, WHEN_TOLD);
      expect(bad!.notices[0]).toMatchObject({ code: 'UNAUTHENTICATED', permanent: true });
      const again = edit(board.id, async () => one.token);
      await isRefused(again);
      expect([again.statuses.includes('connected'), again.text]).toEqual([false, '']);
      const before = good!.text;
      good!.type('+');
      await good!.saved();
      expect([good!.notices, good!.text]).toEqual([[], `${before}+`]);
    });

    it('can be revoked by its name, in one tenant; a request says which are meant', async () => {
      await expect(revoke({})).rejects.toMatchObject({ type: 'BAD_INPUT' });
      await expect(revoke({ name: 'a', id: randomUUID() })).rejects.toMatchObject({ type: 'BAD_INPUT' });
      await expect(revoke({ name: 'nobody' })).rejects.toMatchObject({ type: 'NOT_FOUND' });
      const token = await serviceToken({ [board.id]: 'viewer' }, { tenantId: '2024' });
      const reader = await edit(board.id, async () => token).synced();
      // As the REPL reads it.
      expect(await revoke({ name: 'exporter', tenantId: 2024 })).toEqual({ revoked: 1 });
      await waitFor(() => reader.notices[0]?.code === 'UNAUTHENTICATED');
    });

    it('ends', async () => {
      const token = await serviceToken({ [board.id]: 'viewer' }, { lifeMs: 1_000 });
      const reader = edit(board.id, async () => token);
      await isRefused(reader);
    });
  });
}
