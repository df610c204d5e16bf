import { randomBytes, randomUUID } from 'node:crypto';
import type { Clock } from '../clock.ts';
import type { Database } from '../store/database.ts';
import { withChangeNotice } from './access-changes.ts';
import { BoardMembers } from './board-members.ts';
import { Boards } from './boards.ts';
import type { AccountsContext } from './context.ts';
import { DocumentRules } from './document-rules.ts';
import { Invites } from './invites.ts';
import { OwnBoards } from './own-boards.ts';
import { Permissions } from './permissions.ts';
import { withRetriedConflicts } from './retried-conflicts.ts';
import { Users } from './users.ts';
import { WorkspaceMembers } from './workspace-members.ts';
import { Workspaces } from './workspaces.ts';

/** Everything about people, on one database; stateless, so any number of processes may have one. */
export interface Accounts {
  readonly context: AccountsContext;
  readonly users: Users;
  readonly workspaces: Workspaces;
  readonly workspaceMembers: WorkspaceMembers;
  readonly boards: Boards;
  readonly ownBoards: OwnBoards;
  readonly boardMembers: BoardMembers;
  readonly documentRules: DocumentRules;
  readonly invites: Invites;
  readonly permissions: Permissions;
}

export interface AccountsOptions {
  database: Pick<Database, 'entities'>;
  clock: Clock;
  /** A deleted board can be restored for so long. */
  restoreMs: number;
  /** A change of rights has been recorded, and waits to be told to the gateways. */
  onRightsChanged?: () => void;
}

export function createAccounts({
  database,
  clock,
  restoreMs,
  onRightsChanged = () => undefined,
}: AccountsOptions): Accounts {
  const context: AccountsContext = {
    database: withRetriedConflicts(withChangeNotice(database, onRightsChanged)),
    clock,
    newId: () => randomUUID(),
    newToken: () => randomBytes(32).toString('base64url'),
  };
  return {
    context,
    users: new Users(context),
    workspaces: new Workspaces(context),
    workspaceMembers: new WorkspaceMembers(context),
    boards: new Boards(context, { restoreMs }),
    ownBoards: new OwnBoards(context),
    boardMembers: new BoardMembers(context),
    documentRules: new DocumentRules(context),
    invites: new Invites(context),
    permissions: new Permissions(context),
  };
}
