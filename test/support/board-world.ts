import { createHash, randomBytes, randomUUID } from 'node:crypto';
import type { BoardRole, WorkspaceRole } from '../../lib/accounts/rules.ts';
import type { ApiClient } from './api-client.ts';
import type { TestServer } from './embedded.ts';

/** How somebody stands to a board and its workspace. */
export type Relation =
  | { by: 'board'; role: BoardRole }
  | { by: 'workspace'; role: WorkspaceRole }
  | { by: 'nothing' | 'anonymous' };

const BOARD_PEOPLE = ['viewer', 'editor', 'owner', 'secondOwner', 'target', 'secondEditor'] as const;
const WORKSPACE_PEOPLE = ['member', 'admin', 'keeper', 'secondKeeper', 'colleague', 'secondAdmin'] as const;
const OTHERS = ['stranger', 'newcomer'] as const;
type Name = (typeof BOARD_PEOPLE | typeof WORKSPACE_PEOPLE | typeof OTHERS)[number];

export type People = Readonly<Record<Name, string>>;

/** A workspace with one board, one rule for a document and one invite (made by the editor), with everybody in their place. */
export interface BoardWorld {
  workspaceId: string;
  boardId: string;
  inviteId: string;
  ruleId: string;
  token: string;
}

export async function makePeople(api: ApiClient): Promise<People> {
  const names = [...BOARD_PEOPLE, ...WORKSPACE_PEOPLE, ...OTHERS];
  const ids: [Name, string][] = [];
  for (const name of names) ids.push([name, await api.person(name)]);
  return Object.fromEntries(ids) as Record<Name, string>;
}

/** Account of who stands like that; undefined for nobody. */
export function personOf(people: People, relation: Relation): string | undefined {
  switch (relation.by) {
    case 'board':
      return people[relation.role];
    case 'workspace':
      return people[relation.role === 'owner' ? 'keeper' : relation.role];
    case 'nothing':
      return people.stranger;
    case 'anonymous':
      return undefined;
  }
}

/** Straight into the tables, since it is done for each cell that changes something. */
export async function makeBoardWorld(server: TestServer, people: People): Promise<BoardWorld> {
  const [workspaceId, boardId, inviteId, ruleId] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
  const token = randomBytes(32).toString('base64url');
  const workspaceRoles = ['member', 'admin', 'owner', 'owner', 'member', 'admin'];
  const boardRoles = ['viewer', 'editor', 'owner', 'owner', 'viewer', 'editor'];
  const { client } = await server.runtime.database();
  await client.transaction(async (sql) => {
    await sql(`insert into workspaces (id, name, type, owner_id) values ($1, 'Team', 'team', $2)`, [
      workspaceId,
      people.keeper,
    ]);
    await sql(
      `insert into workspace_members (workspace_id, user_id, role) select $1::uuid, u::uuid, r
         from unnest($2::text[], $3::text[]) as t(u, r)`,
      [workspaceId, WORKSPACE_PEOPLE.map((name) => people[name]), workspaceRoles],
    );
    await sql(`insert into boards (id, workspace_id, name, created_by) values ($1, $2, 'Board', $3)`, [
      boardId,
      workspaceId,
      people.keeper,
    ]);
    await sql(
      `insert into board_members (board_id, user_id, role) select $1::uuid, u::uuid, r
         from unnest($2::text[], $3::text[]) as t(u, r)`,
      [boardId, BOARD_PEOPLE.map((name) => people[name]), boardRoles],
    );
    await sql(
      `insert into board_invites (id, board_id, token, role, uses, created_by) values ($1, $2, $3, 'viewer', 0, $4)`,
      [inviteId, boardId, createHash('sha256').update(token).digest('hex'), people.editor],
    );
    await sql(
      `insert into board_document_rules (id, board_id, document, "read", "write") values ($1, $2, 'plan', 'viewer', 'owner')`,
      [ruleId, boardId],
    );
  });
  return { workspaceId, boardId, inviteId, ruleId, token };
}
