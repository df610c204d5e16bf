import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { startServerProcess, type StartedServer } from '../support/start-process.ts';
import { BoardsPage } from './boards-page.ts';
import { closeBrowsers } from './chromium.ts';

let server: StartedServer;
let dataDir: string;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'ykafka-boards-'));
  server = await startServerProcess({ dataDir, port: 0, env: { AUTH: 'accounts' } });
});
afterEach(closeBrowsers);
afterAll(async () => {
  await server?.stop();
  await rm(dataDir, { recursive: true, force: true });
});

/** Ada has made a board, Bob has come by her link; both have it open. */
async function shared(board: string, role: 'may edit' | 'may read') {
  const ada = await BoardsPage.visit(server.url);
  await ada.signIn('Ada');
  await ada.makeBoard(board);
  await ada.openShare();
  const bob = await BoardsPage.visit(await ada.inviteLink(role));
  await bob.page.getByText(`Ada invites you to ${role.slice(4)} the board “${board}”.`).waitFor();
  await bob.signIn('Bob');
  await bob.page.getByRole('button', { name: 'Open the board' }).click();
  await bob.state.getByText('Connected', { exact: true }).waitFor();
  await bob.openShare();
  return { ada, bob };
}

describe('people with accounts', () => {
  it('sign in, make a board, invite by a link, type together and see each other', async () => {
    const { ada, bob } = await shared('Plan', 'may edit');
    await bob.untilReady();
    expect(new URL(bob.page.url()).hash).toBe('');
    await ada.write('Ada begins. ');
    await bob.untilContent('Ada begins. ');
    await bob.write('Bob goes on.');
    await ada.untilContent('Ada begins. Bob goes on.');
    await ada.cursorOf('Bob').waitFor();
    await bob.cursorOf('Ada').waitFor();
    await ada.personNamed('Bob').waitFor();
    await bob.personNamed('Ada').waitFor();
    await ada.untilSaved();
    const second = await bob.page.context().newPage();
    await second.goto(bob.page.url());
    const twoTabs = ada.page.getByTitle('2 tabs').filter({ hasText: 'Bob' });
    await twoTabs.waitFor();
    expect(await ada.personNamed('Bob').count()).toBe(1);
    await second.close();
    await twoTabs.waitFor({ state: 'detached' });
    await ada.member('Bob').getByLabel('Role of Bob').waitFor();
    await bob.member('Ada').getByText('owner').waitFor();

    await bob.page.getByRole('link', { name: 'All boards' }).click();
    await ada.personNamed('Bob').waitFor({ state: 'detached' });
    await bob.page.getByRole('link', { name: 'Plan' }).click();
    await bob.untilReady();
    await bob.untilContent('Ada begins. Bob goes on.');
    expect([...ada.errors, ...bob.errors]).toEqual([]);
    expect([...ada.tab.hosts]).toEqual([new URL(server.url).host]);
  });

  it('are readers or writers, at once when it changes, and out when they are taken out', async () => {
    const { ada, bob } = await shared('Reading', 'may read');
    await ada.write('To be read.');
    await bob.untilContent('To be read.');
    await bob.page.getByText('Read only').waitFor();
    expect(await bob.text.getAttribute('contenteditable')).toBe('false');
    expect(await bob.page.getByRole('button', { name: 'Make invite link' }).isVisible()).toBe(false);

    await ada.member('Bob').getByLabel('Role of Bob').selectOption('editor');
    await bob.untilReady();
    await bob.write(' And written.');
    await ada.untilContent('To be read. And written.');

    await ada.member('Bob').getByRole('button', { name: 'Remove Bob' }).click();
    await bob.notice.getByText('no longer shared with you').waitFor();
    await bob.page.reload();
    await bob.page.getByRole('heading', { name: 'There is no such board' }).waitFor();
    await ada.member('Bob').waitFor({ state: 'detached' });
  });

  it('who are taken out and let in again have the board in the open page', async () => {
    const { ada, bob } = await shared('Back', 'may edit');
    await bob.untilReady();
    const link = await ada.inviteLink('may edit');
    await ada.member('Bob').getByRole('button', { name: 'Remove Bob' }).click();
    await bob.notice.getByText('no longer shared with you').waitFor();
    await ada.write('Meanwhile.');
    const other = await bob.page.context().newPage();
    await other.goto(link);
    await other.getByRole('button', { name: 'Open the board' }).click();
    await bob.untilContent('Meanwhile.');
    await bob.untilReady();
    expect(await bob.notice.isVisible()).toBe(false);
    await bob.member('Ada').getByText('owner').waitFor();
  });

  it('stay signed in over a reload, and are gone when they sign out', async () => {
    const eve = await BoardsPage.visit(server.url);
    await eve.signIn('Eve');
    await eve.makeBoard('Mine');
    const url = eve.page.url();
    await eve.page.reload();
    await eve.untilReady();
    // Another tab of the same browser is signed out as well.
    const other = await eve.page.context().newPage();
    await other.goto(url);
    await other.getByText('Connected', { exact: true }).waitFor();
    await eve.page.getByRole('button', { name: 'Sign out' }).click();
    await eve.page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await other.getByText('You are no longer signed in.').waitFor();
    await eve.page.goto(url);
    await eve.page.getByRole('heading', { name: 'Sign in' }).waitFor();
    // Where one wanted to go, one gets to.
    await eve.signIn('eve');
    await eve.untilReady();
    expect(eve.page.url()).toBe(url);
  });

  it('are told when a name is none, and when a link is over', async () => {
    const tab = await BoardsPage.visit(`${server.url}/#invite=${'A'.repeat(43)}`);
    await tab.page.getByRole('heading', { name: 'This invite is over' }).waitFor();
    await tab.page.getByRole('link', { name: 'Your boards' }).click();
    await tab.page.getByRole('link', { name: 'Sign in with a name only' }).click();
    await tab.page.getByLabel('Your name').fill('ada@example.test');
    await tab.page.getByRole('button', { name: 'Sign in' }).click();
    await tab.page.getByText('A name has letters').waitFor();
  });

  it('fit a phone', async () => {
    const tab = await BoardsPage.visit(server.url, { viewport: { width: 390, height: 844 } });
    await tab.signIn('A person with a name that is much longer than a phone is wide');
    await tab.makeBoard('A board with a name that is much longer than a phone is wide, wherever it is shown');
    await tab.openShare();
    await tab.inviteLink('may edit');
    const overflow = () => tab.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(await overflow()).toBeLessThanOrEqual(0);
    await tab.page.getByRole('link', { name: 'All boards' }).click();
    await tab.page.getByRole('heading', { name: 'Your boards' }).waitFor();
    expect(await overflow()).toBeLessThanOrEqual(0);
  });
});
