import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { io } from 'socket.io-client';
import * as Y from 'yjs';
import {
  BOARD_ROLE_OF_WORKSPACE,
  BOARD_ROLES,
  mayOnBoard,
  WORKSPACE_ROLES,
  type BoardAction,
  type BoardRole,
} from '../../lib/accounts/rules.ts';
import { encodeAwarenessUpdate } from '../../lib/protocol/awareness.ts';
import { ProtocolMessageType } from '../../lib/protocol/message-types.ts';
import {
  encodeAwarenessPayload,
  encodeClientEntries,
  encodeSyncPayload,
  SyncMessageType,
  type DocumentAddress,
} from '../../lib/protocol/index.ts';
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

/** Somebody at the door of a board, and one of its owners who watches it. */
interface Scene {
  client: RawClient;
  address: DocumentAddress;
  /** The name in the witness' list of people. */
  userId: string;
  witness: RawClient;
}

/** What a socket can ask for. Each answers `yes` when it was done, else the code of the refusal. */
interface SocketAction {
  title: string;
  rule: BoardAction | 'nobody';
  /** To who may not by the rule although the board may be read; to a stranger everything is `NOT_JOINED`. */
  refusal: string;
  run(scene: Scene): Promise<string>;
}

const WITNESS_CLIENT_ID = 11;

let server: TestServer;
let people: People;
let world: BoardWorld;
let witness: RawClient;
let address: DocumentAddress;
let words = 0;

const tokenOf = (userId: string) => ({ auth: { token: `token-of-${userId}` } });

/** What this client is told next beside what it has been told already: a refusal, or undefined when `isDone` comes first. */
async function outcome(client: RawClient, act: () => void, isDone: () => boolean): Promise<string> {
  const before = client.nacks().length;
  act();
  await waitFor(() => isDone() || client.nacks().length > before, { what: 'an answer' });
  return client.nacks()[before]?.code ?? 'yes';
}

const payloadFrame = ({ client, address }: Scene, payload: Uint8Array, version = 0) =>
  encodeClientEntries([client.envelope(address, payload, { version })]);

/** An update, by either of the two messages that carry one; done when the witness has it. */
function write(scene: Scene, type: SyncMessageType): Promise<string> {
  const { client, address, witness } = scene;
  const word = `<${++words}>`;
  const payload = encodeSyncPayload(type, client.edit(address, word));
  const frame = payloadFrame(scene, payload, client.nextVersion(address));
  return outcome(
    client,
    () => client.sendFrame(frame),
    () => witness.text(address).includes(word),
  );
}

/** Whatever is sent and answered by nothing: done when a question that follows has been answered. */
async function silent(scene: Scene, frame: Uint8Array): Promise<string> {
  const { client, address } = scene;
  const nacks = client.nacks().length;
  client.sendFrame(frame);
  // In the order of arrival; leaving is answered to everybody.
  await client.leave(address);
  const code = client.nacks()[nacks]?.code ?? 'yes';
  await client.tryJoin(address);
  return code;
}

function awareness(clientId: number, clock: number, state: object | null): Uint8Array {
  return encodeAwarenessPayload(encodeAwarenessUpdate([{ clientId, clock, state: JSON.stringify(state) }]));
}

const emptyStep2 = () => encodeSyncPayload(SyncMessageType.Step2, Y.encodeStateAsUpdate(new Y.Doc()));

const ACTIONS: readonly SocketAction[] = [
  {
    title: 'sees the document',
    rule: 'board.read',
    refusal: 'NOT_JOINED',
    run: (scene) => {
      const question = encodeSyncPayload(SyncMessageType.Step1, Y.encodeStateVector(new Y.Doc()));
      const states = scene.client.states(scene.address).length;
      return outcome(
        scene.client,
        () => scene.client.sendFrame(payloadFrame(scene, question)),
        () => scene.client.states(scene.address).length > states,
      );
    },
  },
  {
    title: 'writes by an update',
    rule: 'board.write',
    refusal: 'READ_ONLY',
    run: (scene) => write(scene, SyncMessageType.Update),
  },
  {
    title: 'writes by an answer to a question of sync',
    rule: 'board.write',
    refusal: 'READ_ONLY',
    run: (scene) => write(scene, SyncMessageType.Step2),
  },
  {
    title: 'answers a question of sync with nothing',
    rule: 'board.read',
    refusal: 'NOT_JOINED',
    run: (scene) => silent(scene, payloadFrame(scene, emptyStep2(), scene.client.nextVersion(scene.address))),
  },
  {
    title: 'shows a cursor of her own',
    rule: 'board.read',
    refusal: 'NOT_JOINED',
    run: (scene) => silent(scene, payloadFrame(scene, awareness(1_000 + ++words, 1, { name: 'me' }))),
  },
  {
    title: 'shows a cursor as somebody else',
    rule: 'nobody',
    refusal: 'FOREIGN_AWARENESS',
    run: (scene) => silent(scene, payloadFrame(scene, awareness(WITNESS_CLIENT_ID, 900, { name: 'you' }))),
  },
  {
    title: 'takes somebody else away',
    rule: 'nobody',
    refusal: 'FOREIGN_AWARENESS',
    run: (scene) => silent(scene, payloadFrame(scene, awareness(WITNESS_CLIENT_ID, 901, null))),
  },
  {
    title: 'writes a record of control',
    rule: 'nobody',
    refusal: 'BAD_MESSAGE_TYPE',
    run: (scene) => silent(scene, payloadFrame(scene, Uint8Array.of(ProtocolMessageType.Control, 1, 2, 3))),
  },
];

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
  witness = await RawClient.connect(server.url, tokenOf(people.secondOwner));
  await witness.join(address);
  witness.sendFrame(
    payloadFrame(
      { client: witness, address, userId: people.secondOwner, witness },
      awareness(WITNESS_CLIENT_ID, 1, { name: 'I' }),
    ),
  );
});
afterAll(async () => {
  await cleanUp();
  await stopServers();
});

async function arrive(userId: string): Promise<{ scene: Scene; join: string }> {
  const client = await RawClient.connect(server.url, tokenOf(userId));
  const answer = await client.tryJoin(address);
  if (answer.ok) await waitFor(() => client.states(address).length > 0, { what: 'the state' });
  return { scene: { client, address, userId, witness }, join: answer.ok ? 'yes' : answer.code };
}

describe('who may do what over the socket, by the rules', () => {
  it.each(RELATIONS.map((relation) => [nameOf(relation), relation] as const))('%s', async (_, relation) => {
    const role = boardRoleBy(relation);
    const mayRead = mayOnBoard(role, 'board.read');
    const { scene, join } = await arrive(personOf(people, relation)!);
    expect(join).toBe(mayRead ? 'yes' : 'PERMISSION_DENIED');
    const answers: Record<string, string> = {};
    const wanted: Record<string, string> = {};
    for (const { title, rule, refusal, run } of ACTIONS) {
      const may = rule !== 'nobody' && mayOnBoard(role, rule);
      wanted[title] = may ? 'yes' : mayRead ? refusal : 'NOT_JOINED';
      answers[title] = await run(scene);
    }
    expect(answers).toEqual(wanted);
  });

  it.each(RELATIONS.map((relation) => [nameOf(relation), relation] as const))(
    '%s among the people of the board',
    async (_, relation) => {
      const { scene } = await arrive(personOf(people, relation)!);
      const marker = (await arrive(people.target)).scene.client;
      const seen: unknown[] = [];
      const onSync = (content: { users: { cursor?: { x: number } }[] }) =>
        void seen.push(...content.users.map(({ cursor }) => cursor?.x));
      witness.socket.on('presence:sync', onSync);
      const show = ({ socket }: RawClient, x: number) =>
        socket.emit('presence:update', { roomId: world.boardId, cursor: { x, y: 0 } });
      const x = 2 * ++words;
      show(scene.client, x);
      // In the order of arrival: whatever the server makes of it has happened.
      await scene.client.leave(address);
      show(marker, x + 1);
      await waitFor(() => seen.includes(x + 1), { what: 'the cursor of the marker' });
      expect(seen.includes(x)).toBe(mayOnBoard(boardRoleBy(relation), 'board.read'));
      witness.socket.off('presence:sync', onSync);
    },
  );

  it('nothing of what was refused is in the document, and nobody was taken away', async () => {
    const fresh = await RawClient.connect(server.url, tokenOf(people.owner));
    await fresh.join(address);
    expect(fresh.text(address)).toBe(witness.text(address));
    const writers = RELATIONS.filter((relation) => mayOnBoard(boardRoleBy(relation), 'board.write'));
    expect(witness.text(address).match(/<\d+>/g)).toHaveLength(2 * writers.length);
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
