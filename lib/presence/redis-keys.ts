import type { PresenceState, PresenceUser } from '../protocol/presence.ts';
import type { RoomOfTenant } from '../stream/topics.ts';
import type { PresentConnection } from './port.ts';

/*
 * Keys of a room; ids are URI-encoded; `<tenant>:` stands before them unless the tenant is the one of connections that
 * carry none:
 *
 *   board:<room>:presence      hash   user id → JSON { cursor, selection, viewport, lastSeen }
 *   board:<room>:connections   set    connection ids
 *   board:<room>:users         hash   connection id → JSON { userId, user, gateway }
 *   board:<room>:events        channel of what gateways tell each other (messages.ts), behind their id and a blank
 *
 * `presence:beats` is the channel of the beats: ids of gateways, and of who else listens.
 */

export const BEATS = 'presence:beats';

export interface RoomKeys {
  presence: string;
  connections: string;
  users: string;
  events: string;
}

export function keysOf({ tenantId, roomId }: RoomOfTenant, defaultTenant: string): RoomKeys {
  const tenant = tenantId === defaultTenant ? '' : `${encodeURIComponent(tenantId)}:`;
  const board = `${tenant}board:${encodeURIComponent(roomId)}`;
  return {
    presence: `${board}:presence`,
    connections: `${board}:connections`,
    users: `${board}:users`,
    events: `${board}:events`,
  };
}

/** A connection as it is kept. */
export interface KeptConnection {
  userId: string;
  user: PresenceUser;
  gateway: string;
}

export function encodeConnection({ userId, user }: PresentConnection, gateway: string): string {
  return JSON.stringify({ userId, user, gateway } satisfies KeptConnection);
}

/** Undefined for what no gateway of this version has written. */
export function decodeConnection(text: string): KeptConnection | undefined {
  const fields = parsed(text) as Partial<KeptConnection> | null | undefined;
  if (typeof fields?.userId !== 'string' || typeof fields.gateway !== 'string') return undefined;
  return { userId: fields.userId, user: fields.user ?? {}, gateway: fields.gateway };
}

export type KeptState = PresenceState & { lastSeen: number };

export function encodeState({ cursor, selection, viewport, lastSeen }: KeptState): string {
  return JSON.stringify({ cursor, selection, viewport, lastSeen });
}

/** Undefined for what no gateway of this version has written. */
export function decodeState(text: string): KeptState | undefined {
  const fields = parsed(text) as Partial<KeptState> | null | undefined;
  if (typeof fields?.lastSeen !== 'number' || !Array.isArray(fields.selection)) return undefined;
  return fields as KeptState;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // no JSON: not one of ours
  }
}

/** Which connections of a room go: these, and those of the gateways but for the ones that stay. */
export interface Leavers {
  ids?: readonly string[];
  gateways?: readonly string[];
  staying?: readonly string[];
}

export function leaversArgument({ ids = [], gateways = [], staying = [] }: Leavers): string {
  const setOf = (items: readonly string[]) => Object.fromEntries(items.map((item) => [item, true]));
  return JSON.stringify({ ids: setOf(ids), gateways: setOf(gateways), staying: setOf(staying) });
}

/**
 * Removes connections, and the people who have no other one: at one time for everybody, so that none is left over.
 * Answers with the gateways of those that are still there.
 */
export const FORGET = `
local leavers = cjson.decode(ARGV[1])
local kept = redis.call('HGETALL', KEYS[3])
local gone, there, gateways, names = {}, {}, {}, {}
for i = 1, #kept, 2 do
  local id, connection = kept[i], cjson.decode(kept[i + 1])
  local gateway = connection.gateway
  if leavers.ids[id] or (leavers.gateways[gateway] and not leavers.staying[id]) then
    redis.call('SREM', KEYS[2], id)
    redis.call('HDEL', KEYS[3], id)
    gone[#gone + 1] = connection.userId
  else
    there[connection.userId] = true
    if not names[gateway] then names[gateway] = true gateways[#gateways + 1] = gateway end
  end
end
for _, user in ipairs(gone) do
  if not there[user] then redis.call('HDEL', KEYS[1], user) end
end
return gateways`;

/** Writes what people show, but for those who have gone meanwhile; ARGV: how long it stays, then users and states by turns. */
export const KEEP = `
for i = 2, #ARGV, 2 do
  if redis.call('HEXISTS', KEYS[1], ARGV[i]) == 1 then redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])`;
