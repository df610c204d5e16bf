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

export type WorkspaceType = 'personal' | 'team';

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
  /** Never a role above the own one. */
  'board.invites.create': ['editor', 'owner'],
  'board.invites.list': ['editor', 'owner'],
  /** An editor only those that she made. */
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
  /** Never a role above the own one, here and in the next two, and nobody above oneself. */
  'workspace.members.add': ['admin', 'owner'],
  'workspace.members.update': ['admin', 'owner'],
  'workspace.members.remove': ['admin', 'owner'],
  'workspace.leave': ['member', 'admin', 'owner'],
  'workspace.boards.list': ['member', 'admin', 'owner'],
  'workspace.boards.create': ['member', 'admin', 'owner'],
} as const satisfies Record<string, readonly WorkspaceRole[]>;
export type WorkspaceAction = keyof typeof WORKSPACE_RULES;

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

/** Whether the first role of a workspace is at least as much as the second. */
export function isWorkspaceRoleAtLeast(role: WorkspaceRole, other: WorkspaceRole): boolean {
  return WORKSPACE_ROLES.indexOf(role) >= WORKSPACE_ROLES.indexOf(other);
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
