import { expect } from '@jest/globals';
import { ServiceBroker } from 'moleculer';
import { createBrokerOptions } from '../../../lib/broker/options.ts';
import type { BoardEditor } from '../board-editor.ts';
import { AT_ONCE } from '../at-once.ts';
import { waitFor } from '../wait.ts';
import type { PeopleCluster } from './people-cluster.ts';

interface Made {
  id: string;
  token: string;
}

/** Another process, as an operator's REPL is. */
async function startOperator({ config }: PeopleCluster): Promise<ServiceBroker> {
  const broker = new ServiceBroker({ ...createBrokerOptions(config, 'operator'), logger: false });
  await broker.start();
  await broker.waitForServices('auth', 30_000, 100);
  return broker;
}

/** A service token is revoked: closed at both gateways at once, and unknown to none that starts afterwards. */
export async function revokesServiceTokens(people: PeopleCluster): Promise<void> {
  const { stage } = people;
  const operator = await startOperator(people);
  try {
    const ada = await stage.signIn('ada');
    const boardId = await stage.board(ada);
    const { tenantId } = await stage.documentOf(ada, boardId);
    const create = async (name: string) => {
      const params = { name, tenantId, rooms: { [boardId]: 'editor' } };
      const made = await operator.call<Made, object>('auth.serviceTokens.create', params);
      stage.parts.secrets.add('a token', made.token);
      return made;
    };
    const [bad, good] = [await create('exporter'), await create('importer')];
    const edit = ({ token }: Made, at: 0 | 1) =>
      stage.edit(ada, boardId, { at, getToken: async () => token });
    const open = [edit(bad, 0), edit(bad, 1)];
    const kept = [edit(good, 0), edit(good, 1)];
    await Promise.all([...open, ...kept].map((editor) => editor.synced(30_000)));
    expect(await operator.call('auth.serviceTokens.revoke', { id: bad.id })).toEqual({ revoked: 1 });
    for (const { notices } of open)
      await waitFor(() => notices[0]?.code === 'UNAUTHENTICATED', { ...AT_ONCE, what: 'closed' });
    await people.kill('gateway-1');
    await people.cluster.restart('gateway-1');
    for (const at of [0, 1] as const) expect(await refusalOf(edit(bad, at))).toBe('UNAUTHENTICATED');
    const again = await edit(good, 0).synced(30_000);
    const word = stage.word();
    again.type(word);
    await waitFor(() => kept[1]!.text.includes(word), { what: 'the other service sees it' });
    expect(kept[1]!.notices).toEqual([]);
  } finally {
    await operator.stop();
  }
}

/** What a gateway says at last, which may be about to take connections. */
async function refusalOf({ errors }: BoardEditor): Promise<string | undefined> {
  const isFinal = ({ code }: { code?: string | undefined }) => code !== undefined && code !== 'UNAVAILABLE';
  return (await waitFor(() => errors.find(isFinal), { timeoutMs: 30_000, what: 'a refusal' })).code;
}
