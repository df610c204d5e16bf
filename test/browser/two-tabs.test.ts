import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from '../../scripts/dev/ports.ts';
import { startServerProcess, type StartedServer } from '../support/start-process.ts';
import { waitFor } from '../support/wait.ts';
import { closeBrowsers } from './chromium.ts';
import { EditorPage } from './editor-page.ts';

let server: StartedServer;
let dataDir: string;
let port: number;
let rooms = 0;

const SLOW = { timeoutMs: 60_000 };
const newRoom = () => `tabs-${++rooms}`;

beforeAll(async () => {
  [port] = (await freePorts(1)) as [number];
  dataDir = await mkdtemp(join(tmpdir(), 'ykafka-browser-'));
  server = await startServerProcess({ dataDir, port });
});
afterEach(closeBrowsers);
afterAll(async () => {
  await server.stop();
  await rm(dataDir, { recursive: true, force: true });
});

describe('two tabs of the page', () => {
  it('edit one text, see each other by name, and are told where it is saved', async () => {
    const room = newRoom();
    const ada = await EditorPage.open(server.url, room);
    const bob = await EditorPage.open(server.url, room);
    await ada.rename('Ada');
    await bob.rename('Bob');
    await ada.write('# Plan\nAda begins. ');
    await bob.untilContent('# Plan\nAda begins. ');
    await bob.write('Bob goes on.');
    await ada.untilContent('# Plan\nAda begins. Bob goes on.');

    await ada.cursorOf('Bob').waitFor();
    await bob.cursorOf('Ada').waitFor();
    await ada.personNamed('Bob').waitFor();
    await bob.personNamed('Ada').waitFor();
    expect(await ada.untilSaved()).toMatch(/^saved at \d+\/\d+$/);
    const saved = await bob.untilSaved();

    await bob.page.reload();
    await bob.untilReady();
    await bob.untilContent('# Plan\nAda begins. Bob goes on.');
    await ada.personNamed('Bob').waitFor();
    await bob.write('!');
    await ada.untilContent('# Plan\nAda begins. Bob goes on.!');
    await waitFor(async () => (await bob.untilSaved()) !== saved, SLOW);

    expect([...ada.tab.errors, ...bob.tab.errors]).toEqual([]);
    // No font, script or picture of anybody else.
    expect([...ada.tab.hosts]).toEqual([new URL(server.url).host]);
  });

  it('end with the same text when both type at once, and undo takes back the own part only', async () => {
    const room = newRoom();
    const ada = await EditorPage.open(server.url, room);
    const bob = await EditorPage.open(server.url, room);
    await ada.write('start\n');
    await bob.untilContent('start\n');
    await Promise.all([ada.write('a'.repeat(60)), bob.write('b'.repeat(60))]);
    await Promise.all([ada.untilSaved(), bob.untilSaved()]);
    const typed = (text: string) => text.split('\n')[1]!.length;
    await waitFor(async () => {
      const text = await ada.content();
      return typed(text) === 120 && text === (await bob.content());
    }, SLOW);
    // What is typed slowly is taken back piece by piece.
    await waitFor(async () => {
      await ada.page.keyboard.press('Control+z');
      return !(await ada.content()).includes('aa');
    }, SLOW);
    await waitFor(async () => !(await bob.content()).includes('aa'), SLOW);
    expect((await bob.content()).match(/b/g)).toHaveLength(60);
  });

  it('keep what is typed while the server is away, say so, and heal when it is back', async () => {
    const room = newRoom();
    const ada = await EditorPage.open(server.url, room);
    const bob = await EditorPage.open(server.url, room);
    await ada.write('before. ');
    await ada.untilSaved();
    await bob.untilContent('before. ');

    await server.kill();
    await ada.state.getByText('Not connected').waitFor();
    await ada.notice.getByText('The connection is lost.').waitFor();
    await ada.write('Away: Ada. ');
    await ada.saved.filter({ hasText: /^saving…$/ }).waitFor();

    server = await startServerProcess({ dataDir, port });
    await ada.untilReady();
    await bob.untilReady();
    await bob.untilContent('before. Away: Ada. ');
    await ada.untilSaved();
    await ada.notice.waitFor({ state: 'hidden' });
    await bob.write('Bob again.');
    await ada.untilContent('before. Away: Ada. Bob again.');
    expect([...ada.tab.errors, ...bob.tab.errors]).toEqual([]);
  });
});

describe('the page', () => {
  it('copies a link that leads to the same text', async () => {
    const ada = await EditorPage.open(server.url, 'shared link & more', {
      permissions: ['clipboard-read', 'clipboard-write'],
    });
    await ada.page.getByRole('button', { name: 'Copy link' }).click();
    await ada.page.getByRole('button', { name: 'Copied' }).waitFor();
    const link = await ada.page.evaluate(() => navigator.clipboard.readText());
    expect(new URL(link).searchParams.get('room')).toBe('shared link & more');
    expect(await ada.page.title()).toContain('shared link & more');
  });

  it('keeps a name for the next visit', async () => {
    const ada = await EditorPage.open(server.url, newRoom());
    await ada.rename('Grace');
    await ada.page.reload();
    await ada.untilReady();
    expect(await ada.page.getByLabel('Your name, shown to the others').inputValue()).toBe('Grace');
  });

  it('fits a phone, light and dark', async () => {
    const room = newRoom();
    const phone = { viewport: { width: 390, height: 844 } };
    const light = await EditorPage.open(server.url, room, { ...phone, colorScheme: 'light' });
    const dark = await EditorPage.open(server.url, room, { ...phone, colorScheme: 'dark' });
    const background = ({ page }: EditorPage) =>
      page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    expect(await background(light)).not.toBe(await background(dark));
    await light.write(
      'A line that is much longer than a phone is wide, so that it has to be wrapped somewhere.',
    );
    const overflow = await light.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(overflow).toBeLessThanOrEqual(0);
  });
});
