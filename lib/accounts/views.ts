import type { BoardRole, WorkspaceRole, WorkspaceType, WriterRole } from './rules.ts';

/** What the API shows. Times are ISO 8601 in UTC. */

export interface WorkspaceView {
  id: string;
  name: string;
  type: WorkspaceType;
  ownerId: string;
  createdAt: string;
  /** Of who asks. */
  role: WorkspaceRole;
}

export interface BoardView {
  id: string;
  workspaceId: string;
  name: string;
  thumbnailUrl: string | null;
  createdBy: string;
  createdAt: string;
  updatedAt: string;
  /** Set while it can still be restored. */
  deletedAt: string | null;
  /** What it holds is taken away from then on; set with `deletedAt`. */
  purgeAt: string | null;
  /** Of who asks; the higher of the own one and that of the workspace. */
  role: BoardRole;
}

export interface MemberView<Role> {
  userId: string;
  name: string;
  avatarUrl: string | null;
  role: Role;
  joinedAt: string;
}

export interface BoardMemberView extends MemberView<BoardRole> {
  /** The role comes from the workspace: there is none on the board itself, or a lower one. */
  inherited: boolean;
}

/** over: expired, revoked or used up, or its maker may no longer give what it gives. */
export const INVITE_STATES = ['valid', 'over'] as const;
export type InviteState = (typeof INVITE_STATES)[number];

export interface InviteView {
  id: string;
  boardId: string;
  role: BoardRole;
  expiresAt: string | null;
  /** Null for any number. */
  maxUses: number | null;
  uses: number;
  revokedAt: string | null;
  state: InviteState;
  createdBy: string;
  createdAt: string;
}

export interface DocumentRuleView {
  id: string;
  /** An id of documents, or a beginning of ids with `*` at its end. */
  document: string;
  /** The least role that may see them, and that may change them. */
  read: BoardRole;
  write: WriterRole;
}

export interface UserView {
  id: string;
  email: string | null;
  name: string;
  avatarUrl: string | null;
  createdAt: string;
}
