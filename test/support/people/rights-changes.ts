import { expect } from '@jest/globals';
import type { BoardEditor } from '../board-editor.ts';
import type { SignedInPerson } from '../signed-in.ts';
import { waitFor } from '../wait.ts';
import { isEnforcedAtOnce } from './enforced.ts';
import { keepTyping, type PeopleStage } from './stage.ts';

const SLOW = { timeoutMs: 60_000 };
/** Of each tab before anything changes, so that she is in the middle of it. */
const WORDS = 20;

/** Demoted while she types: told at both gateways, she stays and reads on, and brings in nothing more. */
export async function demotesEditor(stage: PeopleStage): Promise<void> {
  const [ada, bob] = [await stage.signIn('ada'), await stage.signIn('bob')];
  const boardId = await stage.board(ada, bob);
  const owner = await stage.edit(ada, boardId).synced();
  const tabs = await atBoth(stage, bob, boardId);
  const typing = tabs.map((tab) => keepTyping([tab], { word: () => stage.word(), everyMs: 10 }));
  // Whoever types on without the right is given it back less and less often.
  tabs.forEach(({ manager }, index) => manager.on('read-only', () => typing[index]!.stop()));
  try {
    await waitFor(() => tabs.every((tab, index) => typing[index]!.typed.get(tab)!.length > WORDS), SLOW);
    const path = `/api/boards/${boardId}/members/${bob.userId}`;
    await isEnforcedAtOnce({
      change: () => ada.api('PATCH', path, { role: 'viewer' }),
      // She has joined again by then, and knows what is left to her.
      isTold: () => tabs.every(({ state }) => state.isReadOnly),
      what: 'she is told at both gateways',
      beside: () => works(stage, ada, owner),
    });
  } finally {
    for (const { stop } of typing) stop();
  }
  // What was on its way when she was told may still come in: before what is typed at the same gateways from now on.
  for (const behind of await atBoth(stage, ada, boardId)) {
    behind.type(stage.word());
    await behind.saved(SLOW.timeoutMs);
  }
  const sees = () =>
    waitFor(() => tabs.every(({ text }) => text === owner.text), { ...SLOW, what: 'she sees what is there' });
  // What she typed without the right has been given back by then.
  await sees();
  const document = await stage.documentOf(ada, boardId);
  const count = await stage.appendedTo(document);
  for (const tab of tabs) {
    const before = tab.denied.length;
    tab.type(stage.word());
    await waitFor(() => tab.denied.slice(before).some(({ code }) => code === 'READ_ONLY'), {
      ...SLOW,
      what: 'her edit is refused',
    });
  }
  owner.type(stage.word());
  await owner.saved(SLOW.timeoutMs);
  await sees();
  expect(await stage.appendedTo(document)).toBe(count + 1);
  expect(tabs.flatMap(({ notices }) => notices)).toEqual([]);
}

/** A board that is deleted is closed to its people at both gateways; what was acked is there when it is restored. */
export async function closesDeleted(stage: PeopleStage): Promise<void> {
  const [ada, bob] = [await stage.signIn('ada'), await stage.signIn('bob')];
  const [boardId, otherId] = [await stage.board(ada, bob), await stage.board(ada, bob)];
  const [other] = await atBoth(stage, ada, otherId);
  const owners = await atBoth(stage, ada, boardId);
  const tabs = await atBoth(stage, bob, boardId);
  const word = stage.word();
  tabs[1]!.type(word);
  await waitFor(() => [...owners, ...tabs].every(({ text }) => text === word), SLOW);
  await tabs[1]!.saved();
  const document = await stage.documentOf(ada, boardId);
  await isEnforcedAtOnce({
    change: () => ada.api('DELETE', `/api/boards/${boardId}`),
    isTold: () => [...owners, ...tabs].every(({ denied }) => denied.length > 0),
    what: 'all are told at both gateways',
    beside: () => works(stage, ada, other!),
  });
  for (const editor of [...owners, ...tabs]) {
    expect(editor.denied[0]).toMatchObject({ code: 'PERMISSION_DENIED' });
    expect(editor.state.halted).toBe('refused');
    editor.type(stage.word());
  }
  for (const again of [ada, bob].map((person) => stage.edit(person, boardId, { at: 1 })))
    await waitFor(() => again.denied.length > 0, { ...SLOW, what: 'it is there for nobody' });
  expect([other!.denied, other!.notices, await stage.appendedTo(document)]).toEqual([[], [], 1]);
  expect((await ada.api('POST', `/api/boards/${boardId}/restore`)).status).toBe(200);
  const reader = await stage.edit(bob, boardId, { at: 1 }).synced(SLOW.timeoutMs);
  expect(reader.text).toContain(word);
}

async function atBoth(stage: PeopleStage, person: SignedInPerson, boardId: string): Promise<BoardEditor[]> {
  const editors = ([0, 1] as const).map((at) => stage.edit(person, boardId, { at }));
  for (const editor of editors) await editor.synced(SLOW.timeoutMs);
  return editors;
}

/** A question to the accounts and an edit that is acked. */
async function works(stage: PeopleStage, person: SignedInPerson, editor: BoardEditor): Promise<void> {
  expect((await person.api('GET', '/api/boards')).status).toBe(200);
  editor.type(stage.word());
  await editor.saved(SLOW.timeoutMs);
}
