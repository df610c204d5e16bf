import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { startTestCluster, type TestCluster } from '../support/cluster.ts';
import { OpenIdServer } from '../support/openid-provider.ts';
import { SignedInPerson, type BoardEditor } from '../support/signed-in.ts';
import { waitFor } from '../support/wait.ts';

jest.setTimeout(300_000);

/** A change of rights is enforced at every gateway within this time. */
const ENFORCED_MS = 1_000;

describe('boards on a cluster of two gateways', () => {
  let provider: OpenIdServer;
  let cluster: TestCluster;
  let ada: SignedInPerson;
  let bob: SignedInPerson;
  const editors: BoardEditor[] = [];

  beforeAll(async () => {
    provider = await OpenIdServer.start();
    cluster = await startTestCluster({
      gatewayPorts: [0, 0],
      env: { AUTH: 'accounts', AUTH_PROVIDERS: provider.settings, YKAFKA_GUESSES_PER_MINUTE: '0' },
    });
    const [first] = cluster.urls;
    provider.serve(first!);
    ada = await SignedInPerson.signIn('ada', first!, provider);
    bob = await SignedInPerson.signIn('bob', first!, provider);
  });

  afterAll(async () => {
    for (const editor of editors) editor.close();
    await cluster?.stop();
    await provider?.stop();
  });

  function edit(person: SignedInPerson, boardId: string, gateway: number): BoardEditor {
    const editor = person.edit(boardId, cluster.urls[gateway]);
    editors.push(editor);
    return editor;
  }

  async function shared() {
    const boardId = await ada.makeBoard();
    await bob.accept(await ada.invite(boardId, 'editor'));
    const owner = await edit(ada, boardId, 0).synced();
    const tabs = [await edit(bob, boardId, 0).synced(), await edit(bob, boardId, 1).synced()];
    return { boardId, owner, tabs };
  }

  it('an editor who is removed while she types can write at neither of them within a second', async () => {
    const { boardId, owner, tabs } = await shared();
    for (const [at, tab] of tabs.entries()) {
      tab.type(`${at} `);
      await tab.saved();
    }
    await waitFor(() => owner.text.length === 4);
    const acked = owner.text;
    const path = `/api/boards/${boardId}/members/${bob.userId}`;
    expect((await ada.api('DELETE', path)).status).toBe(204);
    await waitFor(() => tabs.every(({ denied }) => denied.length > 0), { timeoutMs: ENFORCED_MS });
    for (const tab of tabs) tab.type('after');
    owner.type('the end');
    await owner.saved();
    expect(owner.text).toBe(`${acked}the end`);
    const fresh = await edit(ada, boardId, 1).synced();
    expect(fresh.text).toBe(`${acked}the end`);
  });

  it('while the accounts are away the editors go on; a change that was recorded reaches them afterwards', async () => {
    const { boardId, owner, tabs } = await shared();
    const accounts = cluster.processes.get('accounts-1')!;
    await accounts.end('SIGKILL');
    tabs[1]!.type('meanwhile');
    await waitFor(() => owner.text === 'meanwhile');
    const late = edit(ada, boardId, 1);
    await cluster.restart('accounts-1');
    await late.synced();
    expect(late.text).toBe('meanwhile');
    await waitFor(
      async () =>
        (await ada.api('PATCH', `/api/boards/${boardId}/members/${bob.userId}`, { role: 'viewer' }))
          .status === 204,
      { timeoutMs: 30_000, what: 'the gateways find the accounts again' },
    );
    await waitFor(() => tabs.every(({ state }) => state.isReadOnly), { timeoutMs: 10_000 });
  });
});
