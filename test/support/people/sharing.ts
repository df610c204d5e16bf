import { expect } from '@jest/globals';
import type { BoardEditor } from '../board-editor.ts';
import { waitFor } from '../wait.ts';
import { isEnforcedAtOnce } from './enforced.ts';
import { keepTyping, type PeopleStage } from './stage.ts';

/** Who is let in has the board within so long: the change is heard, and joins wait for a part of a second. */
const LET_IN_MS = 30_000;
const SLOW = { timeoutMs: 60_000 };

/** Sign in → workspace → board → connect → edit → saved. */
export async function saves(stage: PeopleStage): Promise<void> {
  const ada = await stage.signIn('ada');
  const boardId = await stage.board(ada);
  const editor = await stage.edit(ada, boardId).synced();
  const word = stage.word();
  editor.type(word);
  await editor.saved();
  const document = await stage.documentOf(ada, boardId);
  expect(await stage.appendedTo(document)).toBe(1);
  await waitFor(async () => (await stage.storedOf(document)) === 1, {
    ...SLOW,
    what: 'it is in the database',
  });
  expect((await stage.edit(ada, boardId, { at: 1 }).synced()).text).toBe(word);
}

/** Invite → the other signs in → accepts → both edit → each sees the other's cursor, join and leave. */
export async function meet(stage: PeopleStage): Promise<void> {
  const ada = await stage.signIn('ada');
  const boardId = await stage.board(ada);
  const hers = await stage.edit(ada, boardId).synced();
  await hers.hears(`+${ada.userId}`);
  const invite = await ada.invite(boardId, 'editor');
  const bob = await stage.signIn('bob');
  await stage.accept(invite, bob);

  const his = await stage.edit(bob, boardId, { at: 1 }).synced();
  await hers.hears(`+${bob.userId}`);
  await his.hears(`+${ada.userId}`);
  expect(hers.people.get(bob.userId)?.user).toEqual({ name: bob.name });
  const [one, two] = [stage.word(), stage.word()];
  hers.type(one);
  await waitFor(() => his.text === one, SLOW);
  his.type(two);
  await waitFor(() => hers.text === one + two, SLOW);
  await showsCursor(hers, { to: his, userId: ada.userId, x: 1 });
  await showsCursor(his, { to: hers, userId: bob.userId, x: 2 });

  // Another tab, at the other gateway: the same person. Whichever is closed first, nobody is told.
  const second = await stage.edit(bob, boardId, { at: 0 }).synced();
  await second.hears(`+${bob.userId}`);
  await showsCursor(second, { to: hers, userId: bob.userId, x: 3 });
  his.close();
  await showsCursor(second, { to: hers, userId: bob.userId, x: 4 });
  const third = await stage.edit(bob, boardId, { at: 1 }).synced();
  await showsCursor(third, { to: hers, userId: bob.userId, x: 5 });
  second.close();
  await showsCursor(third, { to: hers, userId: bob.userId, x: 6 });
  third.close();
  await hers.hears(`-${bob.userId}`);
  // What would have come late comes before this.
  const late = await stage.signIn('late');
  await stage.accept(invite, late);
  stage.edit(late, boardId, { at: 1 });
  await hers.hears(`+${late.userId}`);
  expect(hers.told).toEqual([`+${ada.userId}`, `+${bob.userId}`, `-${bob.userId}`, `+${late.userId}`]);
  expect([...hers.people.keys()].sort()).toEqual([ada.userId, late.userId].sort());
}

async function showsCursor(
  editor: BoardEditor,
  { to, userId, x }: { to: BoardEditor; userId: string; x: number },
): Promise<void> {
  editor.manager.presence.update({ cursor: { x, y: 0 }, selection: [`shape ${x}`] });
  await waitFor(() => to.people.get(userId)?.cursor?.x === x, { ...SLOW, what: `cursor ${x}` });
  expect(to.people.get(userId)?.selection).toEqual([`shape ${x}`]);
}

/** A viewer's edit is refused, she is told so, and nothing of it is in the log. */
export async function refusesViewer(stage: PeopleStage): Promise<void> {
  const [ada, eve] = [await stage.signIn('ada'), await stage.signIn('eve')];
  const boardId = await stage.board(ada);
  await stage.accept(await ada.invite(boardId, 'viewer'), eve);
  const owner = await stage.edit(ada, boardId).synced();
  const viewer = await stage.edit(eve, boardId, { at: 1 }).synced();
  expect(viewer.state.isReadOnly).toBe(true);
  const [before, refused, after] = [stage.word(), stage.word(), stage.word()];
  owner.type(before);
  await waitFor(() => viewer.text === before, SLOW);
  viewer.type(refused);
  await waitFor(() => viewer.denied.some(({ code }) => code === 'READ_ONLY'), {
    ...SLOW,
    what: 'she is told',
  });
  owner.type(after);
  await owner.saved();
  const document = await stage.documentOf(ada, boardId);
  expect(await stage.appendedTo(document)).toBe(2);
  expect((await stage.edit(ada, boardId, { at: 1 }).synced()).text).toBe(before + after);
}

/** Removed while she types: she can write at neither of two gateways any more; what she was acked before is there. */
export async function removesEditor(stage: PeopleStage): Promise<void> {
  const [ada, bob] = [await stage.signIn('ada'), await stage.signIn('bob')];
  const boardId = await stage.board(ada, bob);
  const owner = await stage.edit(ada, boardId).synced();
  const tabs = [await stage.edit(bob, boardId).synced(), await stage.edit(bob, boardId, { at: 1 }).synced()];
  const acked = tabs.map((tab) => {
    const versions = { count: 0 };
    tab.manager.on('acked', () => versions.count++);
    return versions;
  });
  const typing = keepTyping(tabs, { word: () => stage.word(), everyMs: 10 });
  try {
    await waitFor(() => acked.every(({ count }) => count > 20), { ...SLOW, what: 'she types' });
    await isEnforcedAtOnce({
      change: () => ada.api('DELETE', `/api/boards/${boardId}/members/${bob.userId}`),
      isTold: () => tabs.every(({ denied }) => denied.length > 0),
      what: 'she is told at both gateways',
      async beside() {
        expect((await ada.api('GET', '/api/boards')).status).toBe(200);
        owner.type(stage.word());
        await owner.saved();
      },
    });
    await waitFor(() => tabs.every(({ state }) => state.halted === 'refused'));
  } finally {
    typing.stop();
  }
  // What was on its way when she was told may still come in: before what is typed at the same gateways from now on.
  for (const at of [0, 1] as const) {
    const behind = await stage.edit(ada, boardId, { at }).synced();
    behind.type(stage.word());
    await behind.saved();
  }
  const document = await stage.documentOf(ada, boardId);
  const count = await stage.appendedTo(document);
  const again = stage.edit(bob, boardId, { at: 1 });
  await waitFor(() => again.denied.length > 0, { ...SLOW, what: 'she is refused' });
  owner.type(stage.word());
  await owner.saved();
  expect(await stage.appendedTo(document)).toBe(count + 1);
  const { text } = await stage.edit(ada, boardId, { at: 1 }).synced();
  await waitFor(() => owner.text === text, { ...SLOW, what: 'the owner has it all' });
  // One word is one update, or less than one when several were merged: so many words at least were acked.
  for (const [index, tab] of tabs.entries())
    for (const word of typing.typed.get(tab)!.slice(0, acked[index]!.count)) expect(text).toContain(word);
}

/** Who is refused has the board in her open page when she is let in, and again after she was removed from it. */
export async function comesBack(stage: PeopleStage): Promise<void> {
  const [ada, eve] = [await stage.signIn('ada'), await stage.signIn('eve')];
  const boardId = await stage.board(ada);
  const owner = await stage.edit(ada, boardId).synced();
  const [first, early, second, lost] = Array.from({ length: 4 }, () => stage.word()) as [
    string,
    string,
    string,
    string,
  ];
  owner.type(first);
  const page = stage.edit(eve, boardId, { at: 1 });
  const isRefused = () => waitFor(() => page.state.halted === 'refused', { what: 'she is refused' });
  await isRefused();
  page.type(early);
  await stage.accept(await ada.invite(boardId, 'editor'), eve);
  await page.synced(LET_IN_MS);
  await waitFor(() => owner.text.includes(early) && page.text === owner.text, { what: 'both have it all' });

  expect((await ada.api('DELETE', `/api/boards/${boardId}/members/${eve.userId}`)).status).toBe(204);
  await isRefused();
  owner.type(second);
  page.type(lost);
  await stage.accept(await ada.invite(boardId, 'viewer'), eve);
  await waitFor(() => page.replaced.length > 0, { timeoutMs: LET_IN_MS, what: 'it is given back' });
  await page.synced(LET_IN_MS);
  await waitFor(() => page.text === owner.text, { what: 'she reads what was written meanwhile' });
  expect(page.state.isReadOnly).toBe(true);
  expect(owner.text).toContain(second);
  expect(owner.text).not.toContain(lost);
  // On one connection, and told once each time.
  expect(page.statuses).toEqual(['connecting', 'connected']);
  expect(page.denied.map(({ code }) => code)).toEqual([
    'PERMISSION_DENIED',
    'PERMISSION_DENIED',
    'READ_ONLY',
  ]);
}
