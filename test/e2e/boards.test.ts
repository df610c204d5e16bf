import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { loadConfig } from '../../lib/config.ts';
import { startEmbedded, stopServers, type TestServer } from '../support/embedded.ts';
import { updatesInLog } from '../support/log-records.ts';
import { OpenIdServer } from '../support/openid-provider.ts';
import { SignedInPerson, type BoardEditor } from '../support/signed-in.ts';
import { toldOnly, WHEN_TOLD } from '../support/at-once.ts';
import { waitFor } from '../support/wait.ts';

let provider: OpenIdServer;
let server: TestServer;
let ada: SignedInPerson;
let bob: SignedInPerson;
const editors: BoardEditor[] = [];

beforeAll(async () => {
  provider = await OpenIdServer.start();
  const { authProviders } = loadConfig({ AUTH_PROVIDERS: provider.settings });
  server = await startEmbedded({ auth: 'accounts', authProviders, guessesPerMinute: 0 }, { clock: toldOnly });
  provider.serve(server.url);
  ada = await SignedInPerson.signIn('ada', server.url, provider);
  bob = await SignedInPerson.signIn('bob', server.url, provider);
});

afterEach(() => {
  for (const editor of editors.splice(0)) editor.close();
});

afterAll(async () => {
  await stopServers();
  await provider.stop();
});

function edit(person: SignedInPerson, boardId: string): BoardEditor {
  const editor = person.edit(boardId);
  editors.push(editor);
  return editor;
}

/** Updates of a board in the log. */
async function appendedTo(boardId: string): Promise<number> {
  const workspaceId = (await ada.api('GET', `/api/boards/${boardId}`)).body.workspaceId as string;
  return updatesInLog({ tenantId: workspaceId, roomId: boardId, docId: 'doc' }, server.runtime);
}

async function sharedBoard(role: string) {
  const boardId = await ada.makeBoard();
  expect(await bob.accept(await ada.invite(boardId, role))).toMatchObject({ status: 200, body: { role } });
  const [owner, guest] = [edit(ada, boardId), edit(bob, boardId)];
  await owner.synced();
  await guest.synced();
  return { boardId, owner, guest };
}

// Being made, shared and closed to somebody: people.test.ts.
describe('a board', () => {
  it('does not exist for a stranger', async () => {
    const boardId = await ada.makeBoard();
    const stranger = edit(bob, boardId);
    await waitFor(() => stranger.denied.length > 0);
    expect(stranger.denied[0]).toMatchObject({ code: 'PERMISSION_DENIED' });
    expect((await bob.api('GET', `/api/boards/${boardId}`)).status).toBe(404);
    // And does once she has accepted an invite, at once.
    await bob.accept(await ada.invite(boardId, 'viewer'));
    await edit(bob, boardId).synced();
  });

  it('has one name: written in capitals it is no room', async () => {
    const boardId = await ada.makeBoard();
    const other = edit(ada, boardId.toUpperCase());
    await waitFor(() => other.denied.length > 0);
    expect(other.denied[0]).toMatchObject({ code: 'PERMISSION_DENIED' });
  });

  it('is for a viewer to see: an edit is refused, she is told, and nothing of it is in the log', async () => {
    const { boardId, owner, guest } = await sharedBoard('viewer');
    owner.type('seen');
    await waitFor(() => guest.text === 'seen');
    expect(guest.state.isReadOnly).toBe(true);
    guest.type(' and changed');
    await waitFor(() => guest.denied.length > 0);
    expect(guest.denied[0]).toMatchObject({ code: 'READ_ONLY' });
    await waitFor(() => guest.replaced.length > 0, { what: 'her edit is given back' });
    expect(guest.replaced).toMatchObject([{ reason: 'refused', unacked: [expect.any(Uint8Array)] }]);
    expect(guest.text).toBe('seen');
    await owner.saved();
    expect(await appendedTo(boardId)).toBe(1);
    expect(owner.text).toBe('seen');
  });

  it('becomes one to see for whom its owner demotes, and one to edit again', async () => {
    const { boardId, owner, guest } = await sharedBoard('editor');
    guest.type('mine ');
    await guest.saved();
    const path = `/api/boards/${boardId}/members/${bob.userId}`;
    expect((await ada.api('PATCH', path, { role: 'viewer' })).status).toBe(204);
    await waitFor(() => guest.state.isReadOnly && guest.state.isSynced, WHEN_TOLD);
    owner.type('still seen');
    await waitFor(() => guest.text === 'mine still seen');
    expect((await ada.api('PATCH', path, { role: 'editor' })).status).toBe(204);
    await waitFor(() => !guest.state.isReadOnly && guest.state.isSynced, WHEN_TOLD);
    guest.type('!');
    await waitFor(() => owner.text === 'mine still seen!');
  });

  it('is closed to everybody when it is deleted, and open again when it is restored', async () => {
    const { boardId, owner, guest } = await sharedBoard('editor');
    owner.type('kept');
    await owner.saved();
    expect((await ada.api('DELETE', `/api/boards/${boardId}`)).status).toBe(204);
    await waitFor(() => owner.denied.length > 0 && guest.denied.length > 0, WHEN_TOLD);
    expect((await ada.api('POST', `/api/boards/${boardId}/restore`)).status).toBe(200);
    expect((await edit(bob, boardId).synced()).text).toBe('kept');
  });
});
