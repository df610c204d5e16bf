import { decoded, failed, type Decoded } from './failures.ts';
import { isValidId } from './ids.ts';

/** Where somebody points; `docId` when a room has several documents to point into. */
export interface PresenceCursor {
  x: number;
  y: number;
  docId?: string;
}

export interface PresenceViewport {
  x: number;
  y: number;
  zoom: number;
}

/** What is shown of a person in a room, beside the name: the latest of all the person's connections. */
export interface PresenceState {
  cursor: PresenceCursor | null;
  /** Ids of the application. */
  selection: string[];
  viewport: PresenceViewport | null;
}

/** Who a person is, as the server knows it. */
export interface PresenceUser {
  name?: string;
}

/** The awareness client ids of a person in one document: proven by the server, nobody can announce another's. */
export interface PresenceClients {
  docId: string;
  subdocId?: string;
  clientIds: readonly number[];
}

/** By what connections a person is in a room. */
export interface PresenceReach {
  /** Tabs and devices, at all gateways. */
  connections: number;
  /** By these the awareness states of the documents belong to the person. */
  clients: readonly PresenceClients[];
}

export interface PresencePerson extends PresenceState, Partial<PresenceReach> {
  userId: string;
  /** Always there in a whole list, as are `connections` and `clients`; those are left out while they do not change. */
  user?: PresenceUser;
}

/** Content of `presence:update`; what is left out stays as it is. */
export interface PresenceUpdate {
  roomId: string;
  cursor?: PresenceCursor | null;
  selection?: string[];
}

/** Content of `presence:viewport`. */
export interface PresenceViewportUpdate extends PresenceViewport {
  roomId: string;
}

/** Content of `presence:sync`: the people who moved since the last one, or everybody. */
export interface PresenceSync {
  roomId: string;
  users: PresencePerson[];
  /** `users` is everybody in the room: who is not among them is not there. */
  all?: true;
  /** In a whole list: which of them the connection itself is. */
  self?: string;
}

/** Content of `presence:join`. */
export interface PresenceJoin extends PresenceReach {
  roomId: string;
  userId: string;
  user: PresenceUser;
}

/** Content of `presence:leave`. */
export interface PresenceLeave {
  roomId: string;
  userId: string;
}

/** Most ids in a selection. */
export const MAX_SELECTION = 100;

/** Most UTF-16 units of all ids of a selection together. */
export const MAX_SELECTION_LENGTH = 4096;

/** Most awareness client ids that are told of a connection, and of a person: of more the first. */
export const MAX_CLIENT_IDS = { connection: 32, person: 256 } as const;

/** Most UTF-16 units of the ids of the documents with which those of a connection are told. */
export const MAX_CLIENTS_LENGTH = 2048;

export const EMPTY_PRESENCE: Readonly<PresenceState> = Object.freeze({
  cursor: null,
  selection: [],
  viewport: null,
});

type Fields = Record<string, unknown>;

const bad = (message: string) => failed('BAD_REQUEST', message);

/** An object with no other keys than these. */
function fieldsOf(value: unknown, keys: readonly string[]): Fields | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return Object.keys(value).every((key) => keys.includes(key)) ? (value as Fields) : undefined;
}

function readCursor(value: unknown): PresenceCursor | null | undefined {
  if (value === null) return null;
  const fields = fieldsOf(value, ['x', 'y', 'docId']);
  if (!fields) return undefined;
  const { x, y, docId } = fields;
  if (!isFinite(x) || !isFinite(y)) return undefined;
  if (docId === undefined) return { x, y };
  return isValidId(docId) ? { x, y, docId } : undefined;
}

function readSelection(value: unknown): string[] | undefined {
  if (!Array.isArray(value) || value.length > MAX_SELECTION) return undefined;
  let length = 0;
  for (const id of value) {
    if (!isValidId(id)) return undefined;
    length += id.length;
  }
  return length <= MAX_SELECTION_LENGTH ? (value as string[]) : undefined;
}

/** Reads `presence:update` strictly: bounded, numbers finite, no keys that it does not have. */
export function readPresenceUpdate(value: unknown): Decoded<PresenceUpdate> {
  const fields = fieldsOf(value, ['roomId', 'cursor', 'selection']);
  if (!fields || !isValidId(fields.roomId))
    return bad('A presence update names a room, a cursor, a selection.');
  const update: PresenceUpdate = { roomId: fields.roomId };
  if (fields.cursor !== undefined) {
    const cursor = readCursor(fields.cursor);
    if (cursor === undefined) return bad('A cursor is null or has finite numbers `x` and `y`.');
    update.cursor = cursor;
  }
  if (fields.selection !== undefined) {
    const selection = readSelection(fields.selection);
    if (!selection) return bad(`A selection has at most ${MAX_SELECTION} ids.`);
    update.selection = selection;
  }
  return decoded(update);
}

/** Reads `presence:viewport` as strictly. */
export function readPresenceViewport(value: unknown): Decoded<PresenceViewportUpdate> {
  const fields = fieldsOf(value, ['roomId', 'x', 'y', 'zoom']);
  if (!fields || !isValidId(fields.roomId)) return bad('A viewport names a room, `x`, `y` and `zoom`.');
  const { roomId, x, y, zoom } = fields;
  if (!isFinite(x) || !isFinite(y) || !isFinite(zoom) || zoom <= 0)
    return bad('A viewport has finite numbers `x`, `y` and `zoom`, which is above 0.');
  return decoded({ roomId, x, y, zoom });
}

function isFinite(value: unknown): value is number {
  return Number.isFinite(value);
}
