import { randomUUID } from 'node:crypto';
import { expect } from '@jest/globals';
import { AccessRelay } from '../../lib/accounts/access-relay.ts';
import { createAccounts, type Accounts } from '../../lib/accounts/accounts.ts';
import { BoardPurge } from '../../lib/accounts/board-purge.ts';
import { AccessChangeEntity } from '../../lib/accounts/entities.ts';
import type { BoardRole } from '../../lib/accounts/rules.ts';
import { systemClock, type Clock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import type { Database } from '../../lib/store/database.ts';

/** A deleted board can be restored for so long. */
export const RESTORE_MS = 24 * 3_600_000;

/** People, workspaces and boards on one database, by a clock that tests move. */
export class AccountsWorld {
  readonly clock: Clock = {
    ...systemClock,
    wallTime: () => systemClock.wallTime() + this.#laterMs,
  };
  readonly users: Accounts['users'];
  readonly workspaces: Accounts['workspaces'];
  readonly workspaceMembers: Accounts['workspaceMembers'];
  readonly boards: Accounts['boards'];
  readonly boardMembers: Accounts['boardMembers'];
  readonly documentRules: Accounts['documentRules'];
  readonly invites: Accounts['invites'];
  readonly permissions: Accounts['permissions'];
  readonly #database: Database;
  relayFailures = 0;
  /** Called when a change of rights has been recorded. */
  onRightsChanged: () => void = () => undefined;
  #laterMs = 0;

  constructor(database: Database) {
    this.#database = database;
    const accounts = createAccounts({
      database,
      clock: this.clock,
      restoreMs: RESTORE_MS,
      onRightsChanged: () => this.onRightsChanged(),
    });
    this.users = accounts.users;
    this.workspaces = accounts.workspaces;
    this.workspaceMembers = accounts.workspaceMembers;
    this.boards = accounts.boards;
    this.boardMembers = accounts.boardMembers;
    this.documentRules = accounts.documentRules;
    this.invites = accounts.invites;
    this.permissions = accounts.permissions;
  }

  later(ms: number): void {
    this.#laterMs += ms;
  }

  async person(name = 'Ada'): Promise<string> {
    const subject = randomUUID();
    return (await this.users.signedIn({ provider: 'test', subject, name, email: `${subject}@test.invalid` }))
      .id;
  }

  async team(owner: string): Promise<string> {
    return (await this.workspaces.create(owner, { id: randomUUID(), name: 'Team' })).id;
  }

  async board(owner: string, workspaceId?: string): Promise<string> {
    const workspace = workspaceId ?? (await this.team(owner));
    return (await this.boards.create(owner, workspace, { id: randomUUID(), name: 'Board' })).id;
  }

  /** Gives somebody a role on a board by an invite of its owner. */
  async join(owner: string, boardId: string, userId: string, role: BoardRole): Promise<void> {
    const { token } = await this.invites.create(owner, boardId, { id: randomUUID(), role });
    await this.invites.accept(userId, token);
  }

  async changes(tenantId: string): Promise<Record<string, unknown>[]> {
    const rows = await this.#database.entities((em) =>
      em.find(AccessChangeEntity, { change: { tenantId } }, { orderBy: { id: 'asc' } }),
    );
    return rows.map(({ change }) => change);
  }

  /** Documents by room; `beforeDelete` may fail. */
  purge(
    left: Map<string, string[]>,
    beforeDelete: (docId: string) => void,
    clock: Clock = systemClock,
  ): BoardPurge {
    return new BoardPurge({
      context: { database: this.#database, clock: this.clock },
      documentsOf: async ({ tenantId, roomId, limit }) =>
        (left.get(roomId) ?? []).slice(0, Math.min(limit, 2)).map((docId) => ({ tenantId, roomId, docId })),
      deleteDocument: async ({ roomId, docId }, key) => {
        beforeDelete(docId);
        expect(key).toBe(`purge-${roomId}`);
        left.set(
          roomId,
          left.get(roomId)!.filter((each) => each !== docId),
        );
      },
      clock,
      logger: silentLogger,
      restoreMs: RESTORE_MS,
      pollMs: 1_000,
    });
  }

  async rowsOf(table: 'workspaces' | 'boards', id: string): Promise<number> {
    const rows = await this.#database.client.query(`select 1 from ${table} where id = $1`, [id]);
    return rows.length;
  }

  /** Appends as the test says; failures are counted. */
  relay(append: (record: string) => Promise<void>, pollMs = 20): AccessRelay {
    return new AccessRelay({
      database: async () => this.#database,
      stream: async () => ({
        append: async (_target, records) => {
          try {
            for (const { value } of records) await append(new TextDecoder().decode(value));
          } catch (error) {
            this.relayFailures++;
            throw error;
          }
          return [];
        },
      }),
      controlTopic: 'control',
      clock: systemClock,
      logger: silentLogger,
      pollMs,
    });
  }

  /** Boards of a workspace that nobody has deleted. */
  async openBoards(workspaceId: string): Promise<number> {
    const rows = await this.#database.client.query(
      `select 1 from boards where workspace_id = $1 and deleted_at is null`,
      [workspaceId],
    );
    return rows.length;
  }

  /** What must never be, of a workspace and its boards. */
  async faults(workspaceId: string): Promise<unknown[]> {
    return this.#database.client.query(
      `select 'workspace without owner' as fault, w.id from workspaces w where w.id = $1 and not exists
         (select 1 from workspace_members m where m.workspace_id = w.id and m.role = 'owner')
       union all
       select 'its named owner is none', w.id from workspaces w where w.id = $1 and not exists
         (select 1 from workspace_members m where m.workspace_id = w.id and m.user_id = w.owner_id and m.role = 'owner')
       union all
       select 'board without owner', b.id from boards b where b.workspace_id = $1 and not exists
         (select 1 from board_members m where m.board_id = b.id and m.role = 'owner')
       union all
       select 'open board of a deleted workspace', b.id from boards b join workspaces w on w.id = b.workspace_id
         where w.id = $1 and w.deleted_at is not null and b.deleted_at is null
       union all
       select 'invite used too often', i.id from board_invites i join boards b on b.id = i.board_id
         where b.workspace_id = $1 and i.uses > i.max_uses`,
      [workspaceId],
    );
  }

  async owners(boardId: string): Promise<number> {
    return this.#count('board_members', 'board_id', boardId);
  }

  async workspaceOwners(workspaceId: string): Promise<number> {
    return this.#count('workspace_members', 'workspace_id', workspaceId);
  }

  async #count(table: string, column: string, id: string): Promise<number> {
    const [row] = await this.#database.client.query<{ n: string }>(
      `select count(*) as n from ${table} where ${column} = $1 and role = 'owner'`,
      [id],
    );
    return Number(row!.n);
  }
}

export type AccountsCheck = (world: AccountsWorld) => Promise<void>;
export const refused = (type: string) => expect.objectContaining({ type }) as unknown;
