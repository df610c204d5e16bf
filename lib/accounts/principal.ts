import type { BoardRole } from './rules.ts';

/** Rooms and roles that another product's token names: a room's id, or a beginning of ids with `*` at its end. */
export type RoomRoles = Readonly<Record<string, BoardRole>>;

/** Who acts: proven by an access token, never taken from params. Actions get it as `ctx.meta.principal`. */
export interface Principal {
  kind: 'user' | 'service';
  userId: string;
  /** Of the own accounts: its end ends the tokens that were made for it. Each service token is one of its own. */
  sessionId?: string;
  /** Shown to others. */
  name?: string;
  /** A verified claim of another product's token. */
  tenantId?: string;
  /** With `AUTH=jwt`: what the token gives. Undefined gives nothing. */
  rooms?: RoomRoles;
  /** Wall time at which the token ends. */
  expiresAtMs: number;
}

/** The role in a room by a token's own list: the exact id first, then the longest beginning. */
export function roleInRooms(rooms: RoomRoles | undefined, roomId: string): BoardRole | undefined {
  if (!rooms) return undefined;
  if (Object.hasOwn(rooms, roomId)) return rooms[roomId];
  const fitting = Object.keys(rooms)
    .filter((pattern) => pattern.endsWith('*') && roomId.startsWith(pattern.slice(0, -1)))
    .sort((a, b) => b.length - a.length);
  return fitting[0] === undefined ? undefined : rooms[fitting[0]];
}
