import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { io } from 'socket.io-client';
import {
  BOARD_ROLE_OF_WORKSPACE,
  BOARD_ROLES,
  mayOnBoard,
  WORKSPACE_ROLES,
  type BoardRole,
} from '../../lib/accounts/rules.ts';
import { encodeClientEntries, type DocumentAddress } from '../../lib/protocol/index.ts';
import { ApiClient } from '../support/api-client.ts';
import {
  makeBoardWorld,
  makePeople,
  personOf,
  type BoardWorld,
  type People,
  type Relation,
} from '../support/board-world.ts';
import { startEmbedded, stopServers, type TestServer } from '../support/embedded.ts';
import { waitFor } from '../support/wait.ts';
import { cleanUp } from '../unit/gateway/harness.ts';
import { RawClient } from '../unit/gateway/raw-client.ts';
import {
  ACTIONS,
  awareness,
  joined,
  nextNumber,
  toldOf,
  WITNESS_CLIENT_ID,
  WITNESS_STATE,
  type Scene,
} from './socket-actions.ts';

let server: TestServer;
let people: People;
let world: BoardWorld;
let witness: RawClient;
/** There from the beginning, and does nothing. */
let watcher: RawClient;
let address: DocumentAddress;
let part: DocumentAddress;
let forOwners: DocumentAddress;

const tokenOf = (userId: string) => ({ auth: { token: `token-of-${userId}` } });

const RELATIONS: readonly Relation[] = [
  ...BOARD_ROLES.map((role) => ({ by: 'board', role }) as const),
  ...WORKSPACE_ROLES.map((role) => ({ by: 'workspace', role }) as const),
  { by: 'nothing' },
];
const nameOf = (relation: Relation) =>
  'role' in relation ? `${relation.role} by the ${relation.by}` : relation.by;

function boardRoleBy(relation: Relation): BoardRole | undefined {
  if (relation.by === 'workspace') return BOARD_ROLE_OF_WORKSPACE.team[relation.role];
  return relation.by === 'board' ? relation.role : undefined;
}

beforeAll(async () => {
  server = await startEmbedded({ auth: 'accounts' });
  const api = new ApiClient(server);
  people = await makePeople(api);
  world = await makeBoardWorld(server, people);
  address = { roomId: world.boardId, docId: 'text' };
  part = { ...address, subdocId: 'part' };
  forOwners = { roomId: world.boardId, docId: 'plan' };
  watcher = await RawClient.connect(server.url, tokenOf(people.owner));
  await watcher.join(address);
  witness = await RawClient.connect(server.url, tokenOf(people.secondOwner));
  for (const each of [address, part, forOwners]) await witness.join(each);
  const state = awareness(WITNESS_CLIENT_ID, 1, JSON.parse(WITNESS_STATE) as object);
  witness.sendFrame(encodeClientEntries([witness.envelope(address, state)]));
  await waitFor(() => toldOf(watcher, WITNESS_CLIENT_ID).length > 0, { what: 'the cursor of the witness' });
});
afterAll(async () => {
  await cleanUp();
  await stopServers();
});

async function arrive(userId: string): Promise<{ scene: Scene; join: string }> {
  const client = await RawClient.connect(server.url, tokenOf(userId));
  const join = await joined(client, address);
  return { scene: { client, address, part, forOwners, witness }, join };
}

describe('who may do what over the socket, by the rules', () => {
  it.each(RELATIONS.map((relation) => [nameOf(relation), relation] as const))('%s', async (_, relation) => {
    const role = boardRoleBy(relation);
    const mayRead = mayOnBoard(role, 'board.read');
    const { scene, join } = await arrive(personOf(people, relation)!);
    expect(join).toBe(mayRead ? 'yes' : 'PERMISSION_DENIED');
    const answers: Record<string, string> = {};
    const wanted: Record<string, string> = {};
    for (const { title, may, refusal, toStrangers = 'NOT_JOINED', run } of ACTIONS) {
      wanted[title] = may(role) ? 'yes' : mayRead ? refusal : toStrangers;
      answers[title] = await run(scene);
    }
    expect(answers).toEqual(wanted);
  });

  it.each(RELATIONS.map((relation) => [nameOf(relation), relation] as const))(
    '%s among the people of the board',
    async (_, relation) => {
      const { scene } = await arrive(personOf(people, relation)!);
      const marker = (await arrive(people.target)).scene.client;
      const seen = new Set<number | undefined>();
      type Shown = { cursor?: { x: number }; viewport?: { x: number } };
      const onSync = ({ users }: { users: Shown[] }) => {
        for (const { cursor, viewport } of users) seen.add(cursor?.x).add(viewport?.x);
      };
      witness.socket.on('presence:sync', onSync);
      const { roomId } = address;
      const [cursor, viewport, behind] = [nextNumber(), nextNumber(), nextNumber()];
      scene.client.socket.emit('presence:update', { roomId, cursor: { x: cursor, y: 0 } });
      scene.client.socket.emit('presence:viewport', { roomId, x: viewport, y: 0, zoom: 1 });
      const may = mayOnBoard(boardRoleBy(relation), 'board.read');
      if (may)
        await waitFor(() => seen.has(cursor) && seen.has(viewport), { what: 'the cursor and the viewport' });
      // In the order of arrival: whatever the server makes of it has happened.
      await scene.client.leave(address);
      marker.socket.emit('presence:update', { roomId, cursor: { x: behind, y: 0 } });
      await waitFor(() => seen.has(behind), { what: 'the cursor of the marker' });
      expect([seen.has(cursor), seen.has(viewport)]).toEqual([may, may]);
      witness.socket.off('presence:sync', onSync);
    },
  );

  it('nothing of what was refused is in the documents, and nobody was taken away or shown as another', async () => {
    const fresh = await RawClient.connect(server.url, tokenOf(people.owner));
    for (const each of [address, part, forOwners]) {
      await fresh.join(each);
      expect(fresh.text(each)).toBe(witness.text(each));
    }
    const count = (may: (role: BoardRole | undefined) => boolean) =>
      RELATIONS.filter((relation) => may(boardRoleBy(relation))).length;
    const writers = count((role) => mayOnBoard(role, 'board.write'));
    const words = [address, part, forOwners].map((each) => witness.text(each).match(/<\d+>/g)?.length);
    expect(words).toEqual([3 * writers, writers, count((role) => role === 'owner')]);

    await waitFor(() => toldOf(fresh, WITNESS_CLIENT_ID).length > 0, { what: 'the cursor of the witness' });
    for (const client of [fresh, watcher])
      expect(new Set(toldOf(client, WITNESS_CLIENT_ID))).toEqual(new Set([WITNESS_STATE]));
  });

  it.each([
    ['without a token', {}],
    ['with one of somebody unknown', { token: 'nobody' }],
    ['with one that is no text', { token: [{ alg: 'none' }] }],
  ])('%s there is no connection', async (_, auth) => {
    const socket = io(server.url, { auth, transports: ['websocket'], reconnection: false, forceNew: true });
    let code: unknown;
    socket.on('connect_error', (error) => {
      code = (error as Error & { data?: { code?: string } }).data?.code;
    });
    await waitFor(() => code !== undefined, { what: 'the refusal' });
    expect(code).toBe('UNAUTHENTICATED');
    expect(socket.connected).toBe(false);
    socket.disconnect();
  });
});
