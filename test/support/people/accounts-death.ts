import { expect } from '@jest/globals';
import { waitFor } from '../wait.ts';
import type { PeopleCluster } from './people-cluster.ts';

const SLOW = { timeoutMs: 60_000 };

/**
 * The accounts die by kill -9 between a change of a role and its way to the control topic. Meanwhile editors go on by
 * what their gateways know; when the accounts are there again both gateways are told of the change. The cluster has
 * failpoints.
 */
export async function outlivesAccounts(people: PeopleCluster, tokenSeconds: number): Promise<void> {
  const { stage } = people;
  const [ada, bob] = [await stage.signIn('ada'), await stage.signIn('bob')];
  const boardId = await stage.board(ada, bob);
  await stage.untilChangesAreHeard();
  const owner = await stage.edit(ada, boardId).synced();
  const tabs = [await stage.edit(bob, boardId).synced(), await stage.edit(bob, boardId, { at: 1 }).synced()];
  const { client } = await stage.parts.observer.database();
  const untold = async () => (await client.query('select id from access_changes', [])).length;
  await waitFor(async () => (await untold()) === 0, { ...SLOW, what: 'all that was changed before is told' });

  const accounts = people.cluster.processes.get('accounts-1')!;
  accounts.order({ failpoint: { point: 'relay:before', hit: 1, action: 'kill' } });
  const path = `/api/boards/${boardId}/members/${bob.userId}`;
  // Whether she is answered is not said; nothing is tried again when this is over.
  await ada.api('PATCH', path, { role: 'viewer' });
  await waitFor(() => !accounts.isRunning, { ...SLOW, what: 'the accounts are dead' });
  const text = 'select role from board_members where board_id = $1 and user_id = $2';
  expect(await client.query(text, [boardId, bob.userId])).toEqual([{ role: 'viewer' }]);
  expect(await untold()).toBe(1);

  const word = stage.word();
  tabs[1]!.type(word);
  await waitFor(() => owner.text === word, { ...SLOW, what: 'the editors go on' });
  expect(tabs.map(({ state }) => state.isReadOnly)).toEqual([false, false]);
  const late = stage.edit(ada, boardId, { at: 1 });
  await people.restartAccounts(tokenSeconds);
  await waitFor(() => tabs.every(({ state }) => state.isReadOnly), {
    ...SLOW,
    what: 'she is told at both gateways',
  });
  expect((await late.synced(SLOW.timeoutMs)).text).toBe(word);
  await waitFor(async () => (await untold()) === 0, { ...SLOW, what: 'it is told once and for all' });
}
