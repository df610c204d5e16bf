import { expect } from '@jest/globals';
import { waitFor } from '../wait.ts';
import type { PeopleStage } from './stage.ts';

/** Longer than the silence after which a gateway is believed dead (6 s), and one look at it (2 s). */
const AWAY_MS = 12_000;
/** So long afterwards somebody might still be believed dead. */
const AFTERWARDS_MS = 10_000;
const BACK_MS = 60_000;

/** What gateways hear of each other by is away for longer than a dead gateway has: nobody is taken for dead. */
export async function outlivesOutage(
  stage: PeopleStage,
  medium: { stop: () => Promise<void>; start: () => Promise<void> },
): Promise<void> {
  const [ada, bob, cleo] = [await stage.signIn('ada'), await stage.signIn('bob'), await stage.signIn('cleo')];
  const dora = await stage.signIn('dora');
  const boardId = await stage.board(ada, bob, cleo);
  // What is heard only afterwards would have them join again, before anybody can be asked whether they may.
  await stage.untilChangesAreHeard();
  const ids = [ada, bob, cleo].map(({ userId }) => userId);
  const hers = stage.edit(ada, boardId);
  const his = stage.edit(bob, boardId, { at: 1 });
  const goes = stage.edit(cleo, boardId, { at: 1 });
  const editors = [hers, his];
  for (const editor of [...editors, goes]) await editor.synced();
  for (const editor of editors) for (const id of ids) await editor.hears(`+${id}`);
  const before = editors.map(({ told }) => [...told]);

  await medium.stop();
  try {
    // What fails now must not be told in a log with all that it carries.
    const asked = Promise.allSettled([dora.newToken(), stage.signIn('eve')]);
    await lasts(AWAY_MS / 2);
    goes.close();
    await lasts(AWAY_MS / 2);
    await asked;
  } finally {
    await medium.start();
  }
  // Each hears the other again.
  let x = 0;
  const hears = (to: typeof hers, from: typeof hers, userId: string) =>
    waitFor(
      () => {
        from.manager.presence.update({ cursor: { x: ++x, y: 0 } });
        return (to.people.get(userId)?.cursor?.x ?? 0) > 0;
      },
      { timeoutMs: BACK_MS, intervalMs: 100, what: 'a cursor comes through again' },
    );
  await hears(hers, his, bob.userId);
  await hears(his, hers, ada.userId);
  await hers.hears(`-${cleo.userId}`, BACK_MS);
  await lasts(AFTERWARDS_MS);
  expect(editors.map(({ told }) => told)).toEqual(before.map((told) => [...told, `-${cleo.userId}`]));
  expect(editors.map(({ statuses, errors }) => [statuses, errors])).toEqual(
    Array(2).fill([['connecting', 'connected'], []]),
  );
  const word = stage.word();
  hers.type(word);
  await waitFor(() => his.text.endsWith(word), { timeoutMs: BACK_MS, what: 'they go on' });
}

/** The time itself is what is waited for. */
async function lasts(ms: number): Promise<void> {
  const until = performance.now() + ms;
  await waitFor(() => performance.now() >= until, { timeoutMs: 2 * ms, intervalMs: 50 });
}
