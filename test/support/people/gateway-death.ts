import { expect } from '@jest/globals';
import type { BoardEditor } from '../board-editor.ts';
import { Stopwatch } from '../stopwatch.ts';
import { waitFor } from '../wait.ts';
import type { PeopleStage } from './stage.ts';
import { areThere } from './who-is-there.ts';

const PEOPLE = 20;
/** Of them, with another board open whose page knows both gateways. */
const MOVERS = 5;
/** From the death of a gateway to the last leave of its people, on a machine that answers the API in the usual time. */
const NOTICED_MS = 10_000;
/** The API tells who is there on two boards in less. */
const USUAL_MS = 500;
const COME_MS = 60_000;

/**
 * A gateway is killed with 20 people on a board: those at the other one see 20 leaves, and 20 joins when they come
 * back by it. Who has moved before the death was noticed was never away.
 */
export async function outlivesGateway(stage: PeopleStage, killFirst: () => Promise<void>): Promise<void> {
  const [first, second] = stage.parts.urls;
  const watchers = await stage.signInMany('watcher', 2);
  const people = await stage.signInMany('person', PEOPLE);
  const boardId = await stage.board(watchers[0]!, watchers[1]!, ...people);
  const otherId = await stage.board(watchers[0]!, ...people.slice(0, MOVERS));
  const ids = people.map(({ userId }) => userId);
  const moverIds = ids.slice(0, MOVERS);

  const watching = watchers.map((person) => stage.edit(person, boardId, { at: 1 }));
  const watchingOther = [stage.edit(watchers[0]!, otherId, { at: 1 })];
  for (const editor of [...watching, ...watchingOther]) await editor.synced();
  let urls = [first];
  const editors = people.map((person) => stage.edit(person, boardId, { url: () => urls }));
  const movers = people
    .slice(0, MOVERS)
    .map((person) => stage.edit(person, otherId, { url: [first, second] }));
  await told(watching, { what: '+', ids, times: 1 });
  await told(watchingOther, { what: '+', ids: moverIds, times: 1 });
  for (const editor of editors) await editor.synced(COME_MS);
  // The API is asked at the other gateway, and also of a board where nobody is at that one.
  const asks = watchers[0]!;
  const aloneId = await stage.board(asks, people[0]!);
  await stage.edit(people[0]!, aloneId, { url: () => urls }).synced();
  const watcherIds = watchers.map(({ userId }) => userId);
  const askBefore = () =>
    Promise.all([areThere(asks, boardId, [...ids, ...watcherIds]), areThere(asks, aloneId, [ids[0]!])]);
  await askBefore();
  const usual = new Stopwatch();
  await askBefore();
  const slowness = Math.max(1, usual.stop() / USUAL_MS);
  const before = watching.map(({ told }) => told.length);
  const beforeOther = watchingOther[0]!.told.length;

  await killFirst();
  const sinceKilled = new Stopwatch();
  const takenMs = await Promise.all(
    watching.map(async (editor) => {
      await told([editor], { what: '-', ids, times: 1 });
      return sinceKilled.ms;
    }),
  );
  await Promise.all([areThere(asks, boardId, watcherIds), areThere(asks, aloneId, [])]);
  expect(sinceKilled.stop()).toBeLessThan(NOTICED_MS * slowness);
  process.stdout.write(`${PEOPLE} leaves after ${takenMs.map(Math.round).join(' and ')} ms\n`);
  expect(Math.max(...takenMs)).toBeLessThan(NOTICED_MS * slowness);
  expect([...watching[0]!.people.keys()].sort()).toEqual(watcherIds.toSorted());

  urls = [second];
  await told(watching, { what: '+', ids, times: 2 });
  // Each has come back with what it shows, and nothing is said twice.
  editors.forEach(({ manager }, x) => manager.presence.update({ cursor: { x, y: 1 } }));
  movers.forEach(({ manager }, x) => manager.presence.update({ cursor: { x, y: 2 } }));
  await waitFor(
    () => watching.every((editor) => ids.every((id, x) => editor.people.get(id)?.cursor?.x === x)),
    { timeoutMs: COME_MS, what: 'the cursors of all' },
  );
  await waitFor(() => moverIds.every((id, x) => watchingOther[0]!.people.get(id)?.cursor?.x === x), {
    timeoutMs: COME_MS,
    what: 'the cursors of those who have moved',
  });
  expect(watching.map(({ told }, at) => told.length - before[at]!)).toEqual([2 * PEOPLE, 2 * PEOPLE]);
  expect(watchingOther[0]!.told.length).toBe(beforeOther);
}

async function told(
  editors: readonly BoardEditor[],
  { what, ids, times }: { what: '+' | '-'; ids: readonly string[]; times: number },
): Promise<void> {
  await waitFor(() => editors.every((editor) => ids.every((id) => editor.count(what + id) === times)), {
    timeoutMs: COME_MS,
    what: `${times} × ${what} of ${ids.length} people`,
  });
}
