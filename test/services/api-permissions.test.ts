import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { AccountsAction } from '../../lib/accounts/params.ts';
import {
  BOARD_ROLE_OF_WORKSPACE,
  BOARD_ROLES,
  BOARD_RULES,
  mayInWorkspace,
  mayOnBoard,
  WORKSPACE_ROLES,
  WORKSPACE_RULES,
  type BoardAction,
  type BoardRole,
  type WorkspaceAction,
} from '../../lib/accounts/rules.ts';
import { API_ROUTES, OTHER_ROUTES, type ApiRoute } from '../../lib/http/api-routes.ts';
import { ApiClient } from '../support/api-client.ts';
import { fuzzedRequests, sendFuzzed } from '../support/api-fuzz.ts';
import {
  makeBoardWorld,
  makePeople,
  personOf,
  type BoardWorld,
  type People,
  type Relation,
} from '../support/board-world.ts';
import { startEmbedded, stopServers, type TestServer } from '../support/embedded.ts';
import { roleCells } from './role-cells.suite.ts';

let server: TestServer;
let api: ApiClient;
let people: People;
/** For whoever changes nothing. */
let shared: BoardWorld;
/** Its board is deleted. */
let closed: BoardWorld;

beforeAll(async () => {
  server = await startEmbedded({ auth: 'accounts', guessesPerMinute: 0 });
  api = new ApiClient(server);
  people = await makePeople(api);
  [shared, closed] = [await makeBoardWorld(server, people), await makeBoardWorld(server, people)];
  await (await api.accounts).boards.remove(people.owner, closed.boardId);
});
afterAll(stopServers);

const RELATIONS: readonly Relation[] = [
  ...BOARD_ROLES.map((role) => ({ by: 'board', role }) as const),
  ...WORKSPACE_ROLES.map((role) => ({ by: 'workspace', role }) as const),
  { by: 'nothing' },
  { by: 'anonymous' },
];

/** What is sent so that nothing but the permission decides. */
const BODIES: Partial<Record<AccountsAction, () => object>> = {
  'workspaces.create': () => ({ name: 'New' }),
  'workspaces.update': () => ({ name: 'Renamed' }),
  'workspaces.members.add': () => ({ userId: people.newcomer, role: 'member' }),
  'workspaces.members.update': () => ({ role: 'admin' }),
  'boards.create': () => ({ name: 'New' }),
  'boards.update': () => ({ name: 'Renamed' }),
  'boards.transfer': () => ({ userId: people.target }),
  'boards.members.update': () => ({ role: 'editor' }),
  'boards.rules.set': () => ({ document: 'budget*', read: 'editor' }),
  'invites.create': () => ({ role: 'viewer' }),
};

function pathIn(world: BoardWorld, { path }: ApiRoute): string {
  const values: Record<string, string> = {
    ...world,
    userId: path.startsWith('/api/boards') ? people.target : people.colleague,
  };
  return path.replace(/\{(\w+)\}/g, (_, name: string) => values[name]!);
}

async function ask(route: ApiRoute, relation: Relation, world: BoardWorld): Promise<string> {
  const answer = await api.ask(route.method, pathIn(world, route), {
    as: personOf(people, relation),
    body: BODIES[route.action]?.(),
  });
  const { code } = (answer.body ?? {}) as { code?: string };
  return answer.status < 300 ? 'yes' : (code ?? String(answer.status));
}

const isBoardRule = (rule: string): rule is BoardAction => Object.hasOwn(BOARD_RULES, rule);
const isWorkspaceRule = (rule: string): rule is WorkspaceAction => Object.hasOwn(WORKSPACE_RULES, rule);

function boardRoleBy(relation: Relation): BoardRole | undefined {
  if (relation.by === 'workspace') return BOARD_ROLE_OF_WORKSPACE.team[relation.role];
  return relation.by === 'board' ? relation.role : undefined;
}

/** The answer that the rules give. */
function expected({ rule, action }: ApiRoute, relation: Relation): string {
  if (rule === 'anyone') return 'yes';
  if (relation.by === 'anonymous') return 'UNAUTHENTICATED';
  if (isBoardRule(rule)) {
    const role = boardRoleBy(relation);
    if (!role) return 'BOARD_NOT_FOUND';
    // A role that the workspace gives is not given back at the board.
    if (action === 'boards.leave' && relation.by === 'workspace') return 'MEMBER_NOT_FOUND';
    return mayOnBoard(role, rule) ? 'yes' : 'FORBIDDEN';
  }
  if (!isWorkspaceRule(rule)) return 'yes';
  if (relation.by !== 'workspace') return 'WORKSPACE_NOT_FOUND';
  return mayInWorkspace(relation.role, rule) ? 'yes' : 'FORBIDDEN';
}

const nameOf = (relation: Relation) =>
  'role' in relation ? `${relation.role} by the ${relation.by}` : relation.by;
const titleOf = ({ method, path }: ApiRoute) => `${method.toUpperCase()} ${path}`;

describe('who may do what, by the rules', () => {
  it.each(API_ROUTES.map((route) => [titleOf(route), route] as const))('%s', async (_, route) => {
    const answers: Record<string, string> = {};
    const wanted: Record<string, string> = {};
    for (const relation of RELATIONS) {
      const want = expected(route, relation);
      const isChange = want === 'yes' && route.method !== 'get';
      const world = isChange ? await makeBoardWorld(server, people) : shared;
      wanted[nameOf(relation)] = want;
      answers[nameOf(relation)] = await ask(route, relation, world);
    }
    expect(answers).toEqual(wanted);
  });

  it('a deleted board is there for nobody, but to be restored by its owners', async () => {
    const answers = new Set<string>();
    for (const route of API_ROUTES.filter(({ rule }) => isBoardRule(rule) && rule !== 'board.restore'))
      answers.add(await ask(route, { by: 'board', role: 'owner' }, closed));
    expect([...answers]).toEqual(['BOARD_NOT_FOUND']);
    const restore = API_ROUTES.find(({ rule }) => rule === 'board.restore')!;
    for (const role of ['viewer', 'editor'] as const)
      expect(await ask(restore, { by: 'board', role }, closed)).toBe('BOARD_NOT_FOUND');
    const listed = async (as: string) => {
      const path = `/api/workspaces/${closed.workspaceId}/boards?deleted=true`;
      const { rows } = (await api.ask('get', path, { as })).body as {
        rows: { id: string; purgeAt: string }[];
      };
      return rows.map(({ id, purgeAt }) => [id, Date.parse(purgeAt) > Date.now()]);
    };
    expect(await listed(people.admin)).toEqual([[closed.boardId, true]]);
    expect(await listed(people.member)).toEqual([]);
    expect(await ask(restore, { by: 'workspace', role: 'admin' }, closed)).toBe('yes');
    expect(await listed(people.admin)).toEqual([]);
  });
});

roleCells(() => ({ server, api, people }));

describe('requests that are right, nearly right, and anything at all', () => {
  it('get answers as described, and none is the fault of the server', async () => {
    const world = await makeBoardWorld(server, people);
    const statuses = new Map<number, number>();
    await fc.assert(
      fc.asyncProperty(fuzzedRequests(world, people), async (request) => {
        const status = await sendFuzzed(api, request);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }),
      { seed: 7, numRuns: 300 },
    );
    // It gets behind the checks of the input.
    for (const status of [200, 403, 404, 422]) expect(statuses.get(status) ?? 0).toBeGreaterThan(5);
  });
});

describe('routes and rules', () => {
  it('every route that the gateway answers has a rule', () => {
    const { aliases } = server.broker.getLocalService('gateway') as unknown as {
      aliases: { method: string; fullPath: string }[];
    };
    const answered = aliases.map(
      ({ method, fullPath }) => `${method} ${fullPath.replace(/:(\w+)/g, '{$1}')}`,
    );
    const ruled = [...API_ROUTES.map(titleOf), ...Object.keys(OTHER_ROUTES)];
    expect(answered.length).toBeGreaterThan(API_ROUTES.length);
    expect(answered.sort()).toEqual(ruled.sort());
  });

  it('every rule has a route, but those of the realtime path', () => {
    const used = new Set<string>(API_ROUTES.map(({ rule }) => rule));
    const rules = [...Object.keys(BOARD_RULES), ...Object.keys(WORKSPACE_RULES)];
    expect(rules.filter((rule) => !used.has(rule))).toEqual(['board.write']);
  });
});
