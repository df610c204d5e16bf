import { randomBytes, randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import {
  BOARD_ROLE_CHANGES,
  BOARD_ROLE_OF_WORKSPACE,
  BOARD_ROLES,
  INVITES_REVOKED,
  mayInWorkspace,
  mayOnBoard,
  WORKSPACE_ROLE_CHANGES,
  WORKSPACE_ROLES,
  type BoardRole,
  type RoleChanges,
  type WorkspaceAction,
  type WorkspaceRole,
} from '../../lib/accounts/rules.ts';
import type { ApiClient } from '../support/api-client.ts';
import { makeBoardWorld, personOf, type BoardWorld, type People } from '../support/board-world.ts';
import type { TestServer } from '../support/embedded.ts';

/** A server with people on it. */
export interface RoleStage {
  server: TestServer;
  api: ApiClient;
  people: People;
}

/** Somebody makes something of somebody. */
interface Cell<Role> {
  title: string;
  method: 'post' | 'patch' | 'delete';
  targetId: string;
  /** What the target is; undefined for nobody yet. */
  of: Role | undefined;
  /** Undefined: nobody any more. */
  to: Role | undefined;
  /** What the rules answer. */
  want: string;
}

const WORKSPACE_TARGETS = { member: 'colleague', admin: 'secondAdmin', owner: 'secondKeeper' } as const;
const BOARD_TARGETS = { viewer: 'target', editor: 'secondEditor', owner: 'secondOwner' } as const;

function isWithin<Role>(limits: RoleChanges<Role>, { of, to }: Pick<Cell<Role>, 'of' | 'to'>): boolean {
  return (of === undefined || limits.of.includes(of)) && (to === undefined || limits.to.includes(to));
}

function workspaceCells(actor: WorkspaceRole, people: People): Cell<WorkspaceRole>[] {
  const cellOf = (
    action: WorkspaceAction,
    { title, ...cell }: Omit<Cell<WorkspaceRole>, 'want'>,
  ): Cell<WorkspaceRole> => {
    const isAllowed = isWithin(WORKSPACE_ROLE_CHANGES[actor], cell);
    const within = isAllowed || action === 'workspace.leave' ? 'yes' : 'ROLE_TOO_HIGH';
    return { ...cell, title, want: mayInWorkspace(actor, action) ? within : 'FORBIDDEN' };
  };
  const self = personOf(people, { by: 'workspace', role: actor })!;
  const cells: Cell<WorkspaceRole>[] = [];
  for (const to of WORKSPACE_ROLES) {
    const added = { method: 'post', targetId: people.newcomer, of: undefined, to } as const;
    cells.push(cellOf('workspace.members.add', { ...added, title: `adds as ${to}` }));
    for (const of of WORKSPACE_ROLES) {
      const changed = { method: 'patch', targetId: people[WORKSPACE_TARGETS[of]], of, to } as const;
      cells.push(cellOf('workspace.members.update', { ...changed, title: `${of} → ${to}` }));
    }
    const own = { method: 'patch', targetId: self, of: actor, to } as const;
    cells.push(cellOf('workspace.members.update', { ...own, title: `herself → ${to}` }));
  }
  for (const of of WORKSPACE_ROLES) {
    const removed = { method: 'delete', targetId: people[WORKSPACE_TARGETS[of]], of, to: undefined } as const;
    cells.push(cellOf('workspace.members.remove', { ...removed, title: `removes ${of}` }));
  }
  const left = { method: 'delete', targetId: self, of: actor, to: undefined } as const;
  cells.push(cellOf('workspace.leave', { ...left, title: 'removes herself' }));
  return cells;
}

function boardCells(actor: BoardRole, people: People): Cell<BoardRole>[] {
  const cells: Cell<BoardRole>[] = [];
  const add = (cell: Omit<Cell<BoardRole>, 'want' | 'method'>, isThere: boolean) => {
    const action = cell.to === undefined ? 'board.members.remove' : 'board.members.update';
    const within = isWithin(BOARD_ROLE_CHANGES[actor], cell) ? 'yes' : 'ROLE_TOO_HIGH';
    const found = isThere ? within : 'MEMBER_NOT_FOUND';
    const want = mayOnBoard(actor, action) ? found : 'FORBIDDEN';
    cells.push({ ...cell, method: cell.to === undefined ? 'delete' : 'patch', want });
  };
  for (const to of [...BOARD_ROLES, undefined]) {
    const name = to ?? 'nothing';
    for (const of of BOARD_ROLES)
      add({ title: `${of} → ${name}`, targetId: people[BOARD_TARGETS[of]], of, to }, true);
    for (const [who, targetId] of [
      ['a member of the team', people.colleague],
      ['an admin of the team', people.secondAdmin],
    ] as const)
      add({ title: `${who} → ${name}`, targetId, of: undefined, to }, to !== undefined);
    add({ title: `a stranger → ${name}`, targetId: people.newcomer, of: undefined, to }, false);
  }
  return cells;
}

/** Made from the tables of whose role may be changed, and to which (lib/accounts/rules.ts). */
export function roleCells(stage: () => RoleStage): void {
  const worldOf = () => makeBoardWorld(stage().server, stage().people);

  const roleIn = async (table: 'workspace_members' | 'board_members', world: BoardWorld, userId: string) => {
    const { client } = await stage().server.runtime.database();
    const [of, id] =
      table === 'board_members' ? ['board_id', world.boardId] : ['workspace_id', world.workspaceId];
    const rows = await client.query<{ role: string }>(
      `select role from ${table} where ${of} = $1 and user_id = $2`,
      [id, userId],
    );
    return rows[0]?.role ?? 'nothing';
  };

  /** Each cell is asked for; what is refused is asked for in one world, of which nothing may change. */
  async function check<Role extends string>(
    cells: Cell<Role>[],
    { as, table }: { as: string; table: 'workspace_members' | 'board_members' },
  ): Promise<void> {
    const refusing = await worldOf();
    const answers: Record<string, string> = {};
    const wanted: Record<string, string> = {};
    for (const { title, method, targetId, of, to, want } of cells) {
      const isDone = want === 'yes';
      const world = isDone ? await worldOf() : refusing;
      const at = table === 'board_members' ? `boards/${world.boardId}` : `workspaces/${world.workspaceId}`;
      const isNew = method === 'post';
      const { status, body } = await stage().api.ask(
        method,
        `/api/${at}/members${isNew ? '' : `/${targetId}`}`,
        {
          as,
          ...(to === undefined ? {} : { body: isNew ? { userId: targetId, role: to } : { role: to } }),
        },
      );
      const answer = status < 300 ? 'yes' : (body as { code: string }).code;
      answers[title] = `${answer}: ${await roleIn(table, world, targetId)}`;
      wanted[title] = `${want}: ${(isDone ? to : of) ?? 'nothing'}`;
    }
    expect(answers).toEqual(wanted);
  }

  describe('whose role somebody may change, and to which, by the rules', () => {
    it.each(WORKSPACE_ROLES)('in a workspace: %s', async (role) => {
      const as = personOf(stage().people, { by: 'workspace', role })!;
      await check(workspaceCells(role, stage().people), { as, table: 'workspace_members' });
    });

    it.each(BOARD_ROLES)('on a board: %s', async (role) => {
      const as = personOf(stage().people, { by: 'board', role })!;
      await check(boardCells(role, stage().people), { as, table: 'board_members' });
    });

    it('on a board: admin of its workspace', async () => {
      const { people } = stage();
      const role = BOARD_ROLE_OF_WORKSPACE.team.admin;
      await check(boardCells(role, people), { as: people.admin, table: 'board_members' });
    });
  });

  describe('invites, by the rules', () => {
    const actors = () => {
      const { people } = stage();
      return [
        ...BOARD_ROLES.map((role) => [`${role} by the board`, people[role], role] as const),
        ...WORKSPACE_ROLES.map((role) => {
          const who = personOf(people, { by: 'workspace', role })!;
          return [`${role} by the workspace`, who, BOARD_ROLE_OF_WORKSPACE.team[role]] as const;
        }),
      ];
    };

    it('nobody invites to more than they may give', async () => {
      const { boardId } = await worldOf();
      const [answers, wanted]: Record<string, string>[] = [{}, {}];
      for (const [name, as, role] of actors())
        for (const to of BOARD_ROLES) {
          const may = BOARD_ROLE_CHANGES[role].to.includes(to) ? 'yes' : 'ROLE_TOO_HIGH';
          wanted![`${name} → ${to}`] = mayOnBoard(role, 'board.invites.create') ? may : 'FORBIDDEN';
          const body = { role: to };
          const answer = await stage().api.ask('post', `/api/boards/${boardId}/invite`, { as, body });
          answers![`${name} → ${to}`] = answer.status < 300 ? 'yes' : (answer.body as { code: string }).code;
        }
      expect(answers).toEqual(wanted);
    });

    it('who may revoke their own alone ends nobody else’s', async () => {
      const { people, api, server } = stage();
      const { boardId } = await worldOf();
      const { client } = await server.runtime.database();
      const made = async (maker: string) => {
        const id = randomUUID();
        await client.query(
          `insert into board_invites (id, board_id, token, role, created_by) values ($1, $2, $3, 'viewer', $4)`,
          [id, boardId, randomBytes(32).toString('hex'), maker],
        );
        return id;
      };
      const [answers, wanted]: Record<string, string>[] = [{}, {}];
      for (const [name, as, role] of actors())
        for (const whose of ['own', 'another’s'] as const) {
          const id = await made(whose === 'own' ? as : people.secondOwner);
          const may = INVITES_REVOKED[role] === 'all' || (INVITES_REVOKED[role] === 'own' && whose === 'own');
          wanted![`${name}: ${whose}`] = may ? 'yes: true' : 'FORBIDDEN: false';
          const answer = await api.ask('delete', `/api/boards/${boardId}/invites/${id}`, { as });
          const code = answer.status < 300 ? 'yes' : (answer.body as { code: string }).code;
          const rows = await client.query<{ over: boolean }>(
            'select revoked_at is not null as over from board_invites where id = $1',
            [id],
          );
          answers![`${name}: ${whose}`] = `${code}: ${rows[0]!.over}`;
        }
      expect(answers).toEqual(wanted);
    });
  });
}
