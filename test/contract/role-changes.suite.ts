import { randomUUID } from 'node:crypto';
import { expect } from '@jest/globals';
import fc from 'fast-check';
import { BOARD_ROLES, WORKSPACE_ROLES } from '../../lib/accounts/rules.ts';
import { isAppError } from '../../lib/errors.ts';
import { concerns } from '../../lib/gateway/room-roles.ts';
import type { AccessChange } from '../../lib/lifecycle/access-record.ts';
import type { AccountsWorld } from './accounts-world.ts';

const PEOPLE = 4;
const BOARDS = 2;
const INVITES = 3;

/** A team with two boards and three invites, everybody in it somehow. */
interface Stage {
  people: string[];
  team: string;
  boards: string[];
  invites: { id: string; boardId: string; token: string }[];
}

type Act = (world: AccountsWorld, stage: Stage) => Promise<unknown>;

const person = fc.nat(PEOPLE - 1);
const board = fc.nat(BOARDS - 1);
const invite = fc.nat(INVITES - 1);
const boardRole = fc.constantFrom(...BOARD_ROLES);
const workspaceRole = fc.constantFrom(...WORKSPACE_ROLES);

function act<Parts extends object>(
  name: string,
  parts: { [K in keyof Parts]: fc.Arbitrary<Parts[K]> },
  run: (world: AccountsWorld, stage: Stage, chosen: Parts) => Promise<unknown>,
): fc.Arbitrary<Act> {
  return fc.record(parts).map((chosen) => {
    const made: Act = (world, stage) => run(world, stage, chosen as Parts);
    // What is shown of a sequence that fails.
    return Object.assign(made, { toString: () => `${name} ${JSON.stringify(chosen)}` });
  });
}

interface Pair {
  by: number;
  of: number;
  on: number;
}
const pair = { by: person, of: person, on: board };

const ACTS = fc.oneof(
  act<Pair & { role: (typeof BOARD_ROLES)[number] }>(
    'board role',
    { ...pair, role: boardRole },
    (world, { people, boards }, { by, of, on, role }) =>
      world.boardMembers.update(people[by]!, { boardId: boards[on]!, memberId: people[of]! }, { role }),
  ),
  act<Pair>('board remove', pair, (world, { people, boards }, { by, of, on }) =>
    world.boardMembers.remove(people[by]!, { boardId: boards[on]!, memberId: people[of]! }),
  ),
  act<{ by: number; on: number }>(
    'board leave',
    { by: person, on: board },
    (world, { people, boards }, { by, on }) =>
      world.boardMembers.remove(people[by]!, { boardId: boards[on]!, memberId: people[by]! }),
  ),
  act<Pair>('transfer', pair, (world, { people, boards }, { by, of, on }) =>
    world.boardMembers.transfer(people[by]!, { boardId: boards[on]!, memberId: people[of]! }),
  ),
  act<{ by: number; with: number }>(
    'accept',
    { by: person, with: invite },
    (world, { people, invites }, chosen) =>
      world.invites.accept(people[chosen.by]!, invites[chosen.with]!.token),
  ),
  act<{ by: number; with: number }>(
    'revoke',
    { by: person, with: invite },
    (world, { people, invites }, chosen) => {
      const { id, boardId } = invites[chosen.with]!;
      return world.invites.revoke(people[chosen.by]!, { boardId, inviteId: id });
    },
  ),
  act<{ by: number; of: number; role: (typeof WORKSPACE_ROLES)[number] }>(
    'team add',
    { by: person, of: person, role: workspaceRole },
    (world, { people, team }, { by, of, role }) =>
      world.workspaceMembers.add(people[by]!, team, { memberId: people[of]!, role }),
  ),
  act<{ by: number; of: number; role: (typeof WORKSPACE_ROLES)[number] }>(
    'team role',
    { by: person, of: person, role: workspaceRole },
    (world, { people, team }, { by, of, role }) =>
      world.workspaceMembers.update(people[by]!, { workspaceId: team, memberId: people[of]! }, { role }),
  ),
  act<{ by: number; of: number }>(
    'team remove',
    { by: person, of: person },
    (world, { people, team }, { by, of }) =>
      world.workspaceMembers.remove(people[by]!, { workspaceId: team, memberId: people[of]! }),
  ),
  act<{ by: number }>('team leave', { by: person }, (world, { people, team }, { by }) =>
    world.workspaceMembers.remove(people[by]!, { workspaceId: team, memberId: people[by]! }),
  ),
  act<{ by: number; on: number }>(
    'board delete',
    { by: person, on: board },
    (world, { people, boards }, { by, on }) => world.boards.remove(people[by]!, boards[on]!),
  ),
  act<{ by: number; on: number }>(
    'board restore',
    { by: person, on: board },
    (world, { people, boards }, { by, on }) => world.boards.restore(people[by]!, boards[on]!),
  ),
  act<{ by: number }>('board create', { by: person }, async (world, { people, team, boards }, { by }) => {
    boards.push(
      (await world.boards.create(people[by]!, team, { id: randomUUID(), name: 'Another board' })).id,
    );
  }),
  {
    weight: 1,
    arbitrary: act<{ by: number }>('team delete', { by: person }, (world, { people, team }, { by }) =>
      world.workspaces.remove(people[by]!, team),
    ),
  },
);

/** Rounds of what happens at the same time. */
const ROUNDS = fc.array(fc.array(ACTS, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 5 });

async function makeStage(world: AccountsWorld, people: string[]): Promise<Stage> {
  const [owner, ...others] = people as [string, ...string[]];
  const team = await world.team(owner);
  await world.workspaceMembers.add(owner, team, { memberId: others[0]!, role: 'owner' });
  await world.workspaceMembers.add(owner, team, { memberId: others[1]!, role: 'member' });
  const boards = [await world.board(owner, team), await world.board(others[1]!, team)];
  await world.join(owner, boards[0]!, others[2]!, 'owner');
  await world.join(others[1]!, boards[1]!, others[2]!, 'editor');
  const invites: Stage['invites'] = [];
  for (const [boardId, role, maxUses] of [
    [boards[0]!, 'owner', 1],
    [boards[0]!, 'editor', 2],
    [boards[1]!, 'viewer', 1],
  ] as const) {
    const made = await world.invites.create(owner, boardId, { id: randomUUID(), role, maxUses });
    invites.push({ id: made.id, boardId, token: made.token });
  }
  return { people, team, boards, invites };
}

/** The role of everybody on every board, as the gateways would be told. */
async function rolesIn(world: AccountsWorld, { people, boards }: Stage): Promise<Map<string, string>> {
  const roles = new Map<string, string>();
  for (const roomId of boards)
    for (const userId of people)
      roles.set(`${roomId} ${userId}`, (await world.permissions.roleOn(roomId, userId))?.role ?? 'none');
  return roles;
}

/** Whoever has another role than before is named by a change; who is said to have none for sure has none. */
function checkChanges(
  { people, boards, team }: Stage,
  {
    before,
    after,
    changes,
  }: { before: Map<string, string>; after: Map<string, string>; changes: AccessChange[] },
): void {
  for (const roomId of boards)
    for (const userId of people) {
      const name = `${roomId} ${userId}`;
      const own = changes.filter((change) => concerns(change, { userId, roomId, tenantId: team }));
      if (before.has(name) && before.get(name) !== after.get(name))
        expect([name, own.length]).not.toEqual([name, 0]);
      if (own.at(-1)?.revoked) expect([name, after.get(name)]).toEqual([name, 'none']);
    }
}

/**
 * Whatever people do to each other's roles at the same time: no workspace and no board is ever without an owner, no
 * invite is used more often than it may, every change of rights is recorded, and nothing fails but by the rules.
 */
export async function checkRoleChanges(
  world: AccountsWorld,
  { numRuns, seed }: { numRuns: number; seed: number },
): Promise<void> {
  const people: string[] = [];
  for (let n = 0; n < PEOPLE; n++) people.push(await world.person(`Person ${n}`));
  let done = 0;
  await fc.assert(
    fc.asyncProperty(ROUNDS, async (rounds) => {
      const stage = await makeStage(world, people);
      let before = await rolesIn(world, stage);
      for (const round of rounds) {
        const from = (await world.changes(stage.team)).length;
        const outcomes = await Promise.allSettled(round.map((each) => each(world, stage)));
        for (const outcome of outcomes) {
          if (outcome.status === 'fulfilled') done++;
          else expect(RULED).toContain(isAppError(outcome.reason) ? outcome.reason.type : outcome.reason);
        }
        expect(await world.faults(stage.team)).toEqual([]);
        const after = await rolesIn(world, stage);
        const changes = (await world.changes(stage.team)).slice(from) as AccessChange[];
        checkChanges(stage, { before, after, changes });
        before = after;
      }
    }),
    { numRuns, seed, endOnFailure: true },
  );
  // It is not all refused.
  expect(done).toBeGreaterThan(numRuns);
}

/** How the rules refuse. */
const RULED = [
  'BOARD_NOT_FOUND',
  'WORKSPACE_NOT_FOUND',
  'MEMBER_NOT_FOUND',
  'INVITE_NOT_FOUND',
  'INVITE_OVER',
  'FORBIDDEN',
  'ROLE_TOO_HIGH',
  'LAST_OWNER',
];
