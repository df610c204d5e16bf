import type { PresenceClients, PresenceState, PresenceUser } from '../protocol/presence.ts';
import { EMPTY_PRESENCE } from '../protocol/presence.ts';
import type { PresentConnection } from './port.ts';

/*
 * What gateways tell each other about one room: UTF-8 JSON
 *
 *   { "n": number of the message, growing for each gateway; "p": that of its message before this one in this room, or 0
 *     "ask": true?       the others are to answer with all they have
 *     "all": true?       what this gateway said before is void: it has what this message and the following say,
     "end": true?       up to the one with this mark
 *     "in":  [ { connectionId, userId, user, clients: [ { docId, subdocId?, clientIds } ]?, moving: true? } ]?
 *                        also of a connection that has other awareness client ids than before, or was asked to move
 *     "out": [ connectionId ]?
 *     "at":  [ { userId, lastSeen, cursor, selection, viewport } ]? }
 */

/** A person's state as one gateway has it. */
export interface SeenState extends PresenceState {
  userId: string;
  lastSeen: number;
}

export interface PresenceMessage {
  n: number;
  p: number;
  ask?: true;
  all?: true;
  end?: true;
  in?: PresentConnection[];
  out?: string[];
  at?: SeenState[];
}

/** What every message begins with. */
const NUMBER_HEAD = '{"n":';
const ZERO = 0x30;

export function encodePresenceMessage(message: PresenceMessage): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(message));
}

/** The number alone, of a message of one's own that has come back; 0 when there is none. */
export function numberOfMessage(bytes: Uint8Array): number {
  let n = 0;
  for (let at = NUMBER_HEAD.length; at < bytes.length; at++) {
    const digit = bytes[at]! - ZERO;
    if (digit < 0 || digit > 9) break;
    n = 10 * n + digit;
  }
  return Number.isSafeInteger(n) ? n : 0;
}

/** Undefined for what no gateway of this version writes. Never throws. */
export function decodePresenceMessage(bytes: Uint8Array): PresenceMessage | undefined {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined; // no JSON: not one of ours
  }
  const fields = objectOf(json);
  if (!fields || !Number.isSafeInteger(fields.n) || !Number.isSafeInteger(fields.p)) return undefined;
  const message: PresenceMessage = { n: fields.n as number, p: fields.p as number };
  if (fields.ask === true) message.ask = true;
  if (fields.all === true) message.all = true;
  if (fields.end === true) message.end = true;
  const entered = listOf(fields.in, readConnection);
  const left = listOf(fields.out, (item) => (typeof item === 'string' ? item : undefined));
  const states = listOf(fields.at, readState);
  if (!entered || !left || !states) return undefined;
  return { ...message, in: entered, out: left, at: states };
}

type Fields = Record<string, unknown>;

function objectOf(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null ? (value as Fields) : undefined;
}

/** Empty when it is left out; undefined when an item cannot be read. */
function listOf<T>(value: unknown, read: (item: unknown) => T | undefined): T[] | undefined {
  if (value === undefined) return [];
  if (!Array.isArray(value)) return undefined;
  const items = value.map(read);
  return items.some((item) => item === undefined) ? undefined : (items as T[]);
}

function readConnection(item: unknown): PresentConnection | undefined {
  const { connectionId, userId, user, clients, moving } = objectOf(item) ?? {};
  if (typeof connectionId !== 'string' || typeof userId !== 'string') return undefined;
  const read = listOf(clients, readClients);
  if (!read) return undefined;
  const connection: PresentConnection = {
    connectionId,
    userId,
    user: (objectOf(user) ?? {}) as PresenceUser,
  };
  if (read.length > 0) connection.clients = read;
  if (moving === true) connection.moving = true;
  return connection;
}

function readClients(item: unknown): PresenceClients | undefined {
  const { docId, subdocId, clientIds } = objectOf(item) ?? {};
  if (typeof docId !== 'string' || !Array.isArray(clientIds)) return undefined;
  if (!clientIds.every((id) => Number.isSafeInteger(id))) return undefined;
  const ids = clientIds as number[];
  if (subdocId === undefined) return { docId, clientIds: ids };
  return typeof subdocId === 'string' ? { docId, subdocId, clientIds: ids } : undefined;
}

function readState(item: unknown): SeenState | undefined {
  const fields = objectOf(item);
  if (!fields || typeof fields.userId !== 'string' || typeof fields.lastSeen !== 'number') return undefined;
  const { userId, lastSeen } = fields;
  const { cursor, selection, viewport } = { ...EMPTY_PRESENCE, ...fields } as unknown as PresenceState;
  return Array.isArray(selection) ? { userId, lastSeen, cursor, selection, viewport } : undefined;
}
