/**
 * Who may do what: the one table. docs/permissions.md shows it, and tests are generated from it; whatever asks for a
 * permission asks here.
 */

/** From the least to the most. */
export const BOARD_ROLES = ['viewer', 'editor', 'owner'] as const;
export type BoardRole = (typeof BOARD_ROLES)[number];

/** From the least to the most. */
export const WORKSPACE_ROLES = ['member', 'admin', 'owner'] as const;
export type WorkspaceRole = (typeof WORKSPACE_ROLES)[number];

export const WORKSPACE_TYPES = ['personal', 'team'] as const;
export type WorkspaceType = (typeof WORKSPACE_TYPES)[number];

/** Actions on a board by the roles that may do them. */
export const BOARD_RULES = {
  /** Sees that it exists, its name, its content, the others’ cursors; shows a cursor of its own. */
  'board.read': ['viewer', 'editor', 'owner'],
  'board.write': ['editor', 'owner'],
  'board.update': ['editor', 'owner'],
  'board.delete': ['owner'],
  'board.restore': ['owner'],
  'board.members.list': ['viewer', 'editor', 'owner'],
  'board.members.update': ['owner'],
  'board.members.remove': ['owner'],
  'board.transfer': ['owner'],
  'board.leave': ['viewer', 'editor', 'owner'],
  /** The roles of BOARD_ROLE_CHANGES. */
  'board.invites.create': ['editor', 'owner'],
  'board.invites.list': ['editor', 'owner'],
  /** Those of INVITES_REVOKED. */
  'board.invites.revoke': ['editor', 'owner'],
  'board.rules.list': ['owner'],
  /** Which documents of the board need a higher role. */
  'board.rules.update': ['owner'],
} as const satisfies Record<string, readonly BoardRole[]>;
export type BoardAction = keyof typeof BOARD_RULES;

/** Roles that may change documents. */
export const WRITERS = BOARD_RULES['board.write'];
export type WriterRole = (typeof WRITERS)[number];

/** Actions on a workspace by the roles that may do them. */
export const WORKSPACE_RULES = {
  'workspace.read': ['member', 'admin', 'owner'],
  'workspace.update': ['admin', 'owner'],
  'workspace.delete': ['owner'],
  'workspace.members.list': ['member', 'admin', 'owner'],
  /** Here and in the next two within WORKSPACE_ROLE_CHANGES. */
  'workspace.members.add': ['admin', 'owner'],
  'workspace.members.update': ['admin', 'owner'],
  'workspace.members.remove': ['admin', 'owner'],
  'workspace.leave': ['member', 'admin', 'owner'],
  'workspace.boards.list': ['member', 'admin', 'owner'],
  'workspace.boards.create': ['member', 'admin', 'owner'],
} as const satisfies Record<string, readonly WorkspaceRole[]>;
export type WorkspaceAction = keyof typeof WORKSPACE_RULES;

/** What somebody may make of others: nobody gives or takes more than the own role. */
export interface RoleChanges<Role> {
  /** Whose role may be changed or taken. */
  of: readonly Role[];
  /** What may be given. */
  to: readonly Role[];
}

/** By the role of who changes something. One’s own counts like another’s; leaving is no change. */
export const WORKSPACE_ROLE_CHANGES: Readonly<Record<WorkspaceRole, RoleChanges<WorkspaceRole>>> = {
  member: { of: [], to: [] },
  admin: { of: ['member', 'admin'], to: ['member', 'admin'] },
  owner: { of: ['member', 'admin', 'owner'], to: ['member', 'admin', 'owner'] },
};

/** By the role that counts on the board; an invite gives what its maker may give. */
export const BOARD_ROLE_CHANGES: Readonly<Record<BoardRole, RoleChanges<BoardRole>>> = {
  viewer: { of: [], to: [] },
  editor: { of: [], to: ['viewer', 'editor'] },
  owner: { of: ['viewer', 'editor', 'owner'], to: ['viewer', 'editor', 'owner'] },
};

/** Whose invites somebody may revoke, by the role that counts on the board. */
export const INVITES_REVOKED: Readonly<Record<BoardRole, 'none' | 'own' | 'all'>> = {
  viewer: 'none',
  editor: 'own',
  owner: 'all',
};

/** What a role in a workspace is worth on each of its boards: its keepers reach every board, a team sees its boards. */
export const BOARD_ROLE_OF_WORKSPACE: Readonly<
  Record<WorkspaceType, Readonly<Record<WorkspaceRole, BoardRole>>>
> = {
  personal: { owner: 'owner', admin: 'owner', member: 'viewer' },
  team: { owner: 'owner', admin: 'owner', member: 'viewer' },
};

export function mayOnBoard(role: BoardRole | undefined, action: BoardAction): boolean {
  return role !== undefined && (BOARD_RULES[action] as readonly BoardRole[]).includes(role);
}

export function mayInWorkspace(role: WorkspaceRole | undefined, action: WorkspaceAction): boolean {
  return role !== undefined && (WORKSPACE_RULES[action] as readonly WorkspaceRole[]).includes(role);
}

/** Whether the first role of a board is at least as much as the second. */
export function isAtLeast(role: BoardRole, other: BoardRole): boolean {
  return BOARD_ROLES.indexOf(role) >= BOARD_ROLES.indexOf(other);
}

/** A role is given, changed, or taken: `of` is left out for who has none yet, `to` for who is to have none any more. */
export interface RoleChange<Role> {
  of?: Role | undefined;
  to?: Role | undefined;
}

export function mayChangeInWorkspace(actor: WorkspaceRole, change: RoleChange<WorkspaceRole>): boolean {
  return isWithin(WORKSPACE_ROLE_CHANGES[actor], change);
}

export function mayChangeOnBoard(actor: BoardRole, change: RoleChange<BoardRole>): boolean {
  return isWithin(BOARD_ROLE_CHANGES[actor], change);
}

function isWithin<Role>(limits: RoleChanges<Role>, { of, to }: RoleChange<Role>): boolean {
  return (of === undefined || limits.of.includes(of)) && (to === undefined || limits.to.includes(to));
}

export function mayRevokeInvite(role: BoardRole, { isOwn }: { isOwn: boolean }): boolean {
  return INVITES_REVOKED[role] === 'all' || (INVITES_REVOKED[role] === 'own' && isOwn);
}

/** The role that counts on a board: the higher of the own one and that of the workspace. */
export function effectiveBoardRole(
  own: BoardRole | undefined,
  workspace: { type: WorkspaceType; role: WorkspaceRole } | undefined,
): BoardRole | undefined {
  const inherited = workspace && BOARD_ROLE_OF_WORKSPACE[workspace.type][workspace.role];
  if (own === undefined || inherited === undefined) return own ?? inherited;
  return isAtLeast(own, inherited) ? own : inherited;
}
