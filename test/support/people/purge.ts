import { expect } from '@jest/globals';
import { waitFor } from '../wait.ts';
import type { PeopleStage } from './stage.ts';

/** More than a board can be restored for by default. */
const LATER_HOURS = 721;
/** The accounts look right after their start, and seconds later when the others were not there yet. */
const PURGED_MS = 60_000;
const SLOW = { timeoutMs: 60_000 };

/**
 * A deleted board that nobody can restore any more is gone from the store, by a tombstone in its log; a page that was
 * away meanwhile brings nothing back. The board beside it stays as it is. `restart`: of the process with the accounts.
 */
export async function purgesBoard(stage: PeopleStage, restart: () => Promise<void>): Promise<void> {
  const [ada, bob] = [await stage.signIn('ada'), await stage.signIn('bob')];
  const [boardId, otherId] = [await stage.board(ada, bob), await stage.board(ada, bob)];
  const [document, other] = [await stage.documentOf(ada, boardId), await stage.documentOf(ada, otherId)];
  const [hers, beside] = [stage.edit(ada, boardId), stage.edit(ada, otherId)];
  const away = stage.edit(bob, boardId, { at: 1 });
  for (const editor of [hers, beside, away]) await editor.synced();
  const word = stage.word();
  for (const editor of [hers, beside]) editor.type(word);
  await waitFor(() => away.text === word, { ...SLOW, what: 'everybody has it' });
  for (const id of [document, other])
    await waitFor(async () => (await stage.storedOf(id)) === 1, { ...SLOW, what: 'it is stored' });
  away.manager.disconnect();
  away.type(stage.word());

  expect((await ada.api('DELETE', `/api/boards/${boardId}`)).status).toBe(204);
  await waitFor(() => hers.denied.length > 0, { what: 'who has it open is told' });
  await deletedEarlier(stage, boardId);
  // Until it is purged everything is there.
  expect([await stage.storedOf(document), await stage.generationOf(document)]).toEqual([1, 1]);
  await restart();

  await waitFor(async () => !(await isListed(stage, boardId)), { timeoutMs: PURGED_MS, what: 'purged' });
  await waitFor(async () => (await stage.storedOf(document)) === 0, { ...SLOW, what: 'its rows are gone' });
  expect(await stage.generationOf(document)).toBe(2);
  away.manager.connect();
  await waitFor(() => away.denied.length > 0, { what: 'who comes back is told', timeoutMs: 30_000 });
  expect((await ada.api('POST', `/api/boards/${boardId}/restore`)).status).toBe(404);
  expect(await stage.appendedTo(document)).toBe(1);
  expect([await stage.storedOf(document), await stage.storedOf(other)]).toEqual([0, 1]);
  expect((await stage.edit(bob, otherId, { at: 1 }).synced(30_000)).text).toBe(word);
}

async function deletedEarlier(stage: PeopleStage, boardId: string): Promise<void> {
  const { client } = await stage.parts.observer.database();
  const text = `update boards set deleted_at = deleted_at - make_interval(hours => $2::int) where id = $1`;
  await client.query(text, [boardId, LATER_HOURS]);
}

async function isListed(stage: PeopleStage, boardId: string): Promise<boolean> {
  const { client } = await stage.parts.observer.database();
  return (await client.query(`select id from boards where id = $1`, [boardId])).length > 0;
}
