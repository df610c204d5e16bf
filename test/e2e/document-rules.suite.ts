import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import { ProtocolManager, type ManagerEvents } from '../../lib/provider/index.ts';
import { ApiClient } from '../support/api-client.ts';
import type { TestServer } from '../support/embedded.ts';
import { WHEN_TOLD } from '../support/at-once.ts';
import { waitFor } from '../support/wait.ts';

let server: TestServer;
let api: ApiClient;
const managers: ProtocolManager[] = [];

/** A board whose text has a subdocument, in the hands of somebody. */
class Hands {
  readonly manager: ProtocolManager;
  readonly doc = new Y.Doc();
  readonly denied: ManagerEvents['permission-denied'][] = [];

  constructor(userId: string, roomId: string) {
    const getToken = () => `token-of-${userId}`;
    this.manager = new ProtocolManager({ url: server.url, roomId, getToken });
    managers.push(this.manager);
    this.manager.on('permission-denied', (event) => this.denied.push(event));
    this.manager.addDoc(this.doc, { docId: 'text' });
  }

  state(docId: string, parentId?: string) {
    return this.manager.documentState(docId, parentId);
  }

  /** The subdocument, once it is known and wanted. */
  async part(): Promise<Y.Doc> {
    const parts = this.doc.getMap<Y.Doc>('parts');
    await waitFor(() => parts.get('part'), { what: 'the subdocument is known' });
    const part = parts.get('part')!;
    part.load();
    return part;
  }
}

/** What rules for single documents mean to those who edit them. */
export function documentRules(start: () => Promise<TestServer>): void {
  describe('documents that need more than their board', () => {
    beforeAll(async () => {
      server = await start();
      api = new ApiClient(server);
    });
    afterAll(() => {
      for (const manager of managers) manager.destroy();
    });

    it('a subdocument can be for owners to change, and then for owners to see, while the text goes on', async () => {
      const [owner, editor] = [await api.person(), await api.person()];
      const accounts = await api.accounts;
      const team = await accounts.workspaces.create(owner, { id: randomUUID(), name: 'Team' });
      const board = await accounts.boards.create(owner, team.id, { id: randomUUID(), name: 'Board' });
      const { token } = await accounts.invites.create(owner, board.id, {
        id: randomUUID(),
        role: 'editor',
      });
      await accounts.invites.accept(editor, token);

      const [of, by] = [new Hands(owner, board.id), new Hands(editor, board.id)];
      await waitFor(() => of.state('text')?.isSynced && by.state('text')?.isSynced);
      const part = new Y.Doc({ guid: 'part' });
      of.doc.getMap('parts').set('part', part);
      part.getText('t').insert(0, 'figures');
      const seen = await by.part();
      await waitFor(() => seen.getText('t').toString() === 'figures', { what: 'both see it' });

      const rules = `/api/boards/${board.id}/document-rules`;
      const body = { document: 'text/part', write: 'owner' };
      expect((await api.ask('post', rules, { as: editor, body })).status).toBe(403);
      const set = await api.ask('post', rules, { as: owner, body });
      expect(set).toMatchObject({
        status: 200,
        body: { document: 'text/part', read: 'viewer', write: 'owner' },
      });
      await waitFor(() => by.state('part', 'text')?.isReadOnly, WHEN_TOLD);
      await waitFor(() => by.state('text')?.isSynced && by.state('part', 'text')?.isSynced);
      expect(by.state('text')).toMatchObject({ isReadOnly: false });
      part.getText('t').insert(7, '!');
      await waitFor(() => seen.getText('t').toString() === 'figures!', { what: 'she sees it on' });
      by.doc.getText('t').insert(0, 'hers');
      await waitFor(() => of.doc.getText('t').toString() === 'hers', { what: 'she writes the rest on' });

      await api.ask('post', rules, { as: owner, body: { document: 'text/part', read: 'owner' } });
      await waitFor(() => by.denied.some(({ docId }) => docId === 'part'), WHEN_TOLD);
      expect(by.state('part', 'text')).toMatchObject({ halted: 'refused' });
      await waitFor(() => by.state('text')?.isSynced);
      expect(by.state('text')?.halted).toBeUndefined();

      const listed = (await api.ask('get', rules, { as: owner })).body as { rows: { id: string }[] };
      expect(listed.rows).toHaveLength(1);
      expect((await api.ask('delete', `${rules}/${listed.rows[0]!.id}`, { as: owner })).status).toBe(204);
      await waitFor(() => by.state('part', 'text')?.isSynced, {
        timeoutMs: 30_000,
        what: 'her open page has it again',
      });
      part.getText('t').insert(8, '?');
      await waitFor(() => seen.getText('t').toString() === 'figures!?', { what: 'she sees it on' });
      const again = new Hands(editor, board.id);
      await again.part();
      await waitFor(() => again.state('part', 'text')?.isSynced, { what: 'it is like the board again' });
      expect(again.state('part', 'text')).toMatchObject({ isReadOnly: false });
    });
  });
}
