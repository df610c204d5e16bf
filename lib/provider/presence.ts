import {
  MAX_SELECTION,
  MAX_SELECTION_LENGTH,
  SocketEvent,
  type PresenceClients,
  type PresenceCursor,
  type PresencePerson,
  type PresenceReach,
  type PresenceState,
  type PresenceUser,
  type PresenceViewport,
} from '../protocol/index.ts';
import { TypedEmitter } from './emitter.ts';
import { Alarm, type ProviderEnvironment } from './environment.ts';
import type { PresenceMessage } from './transport.ts';

/** A person in the room as the server last said. */
export interface RoomPerson extends PresenceState, PresenceReach {
  userId: string;
  user: PresenceUser;
  /** Those of `clients`, of all documents. */
  clientIds: readonly number[];
}

export interface PresenceEvents {
  /** These people have come or show something else; with `all` they are everybody. */
  'presence-sync': { users: readonly RoomPerson[]; all: boolean };
  /** Somebody has come, with the first of the own connections; everybody there when this client comes, too. */
  'presence-join': { userId: string; user: PresenceUser };
  /** Somebody has gone, with the last connection; everybody when the own connection ends. */
  'presence-leave': { userId: string };
}

/** A server that does not tell it: one connection, no client ids. */
const UNKNOWN_REACH = { connections: 1, clients: [], clientIds: [] } as const;

export interface RoomPresenceParts {
  roomId: string;
  environment: ProviderEnvironment;
  /** Sends to the server; what is sent while not connected is dropped. */
  send: (message: PresenceMessage) => void;
}

/** A cursor moves for the others this often at the most. */
const SEND_INTERVAL_MS = 50;

/**
 * The people of the room, and what this client shows of its own person. It is kept and shown again after a reconnect.
 * Two tabs of a person are one: the latest of what they show counts.
 */
export class RoomPresence extends TypedEmitter<PresenceEvents> {
  readonly #parts: RoomPresenceParts;
  readonly #people = new Map<string, RoomPerson>();
  readonly #pause: Alarm;
  #self: string | undefined;
  #own: { cursor?: PresenceCursor | null; selection?: string[] } = {};
  #ownViewport: PresenceViewport | undefined;
  #hasNews = { update: false, viewport: false };
  /** What was sent and has not come back: it is lost if the server took the connection out of the room meanwhile. */
  #isOnTheWay = { update: false, viewport: false };

  constructor(parts: RoomPresenceParts) {
    super();
    this.#parts = parts;
    this.#pause = new Alarm(parts.environment);
  }

  /** Everybody in the room by user id, the own person among them; empty while not connected. */
  get people(): ReadonlyMap<string, RoomPerson> {
    return this.#people;
  }

  /** The own user id, once the server has said it. */
  get self(): string | undefined {
    return this.#self;
  }

  /** Shows where this person points and what is selected; what is left out stays. Of more than 100 ids the first. */
  update(change: { cursor?: PresenceCursor | null; selection?: readonly string[] }): void {
    if (change.cursor !== undefined) this.#own.cursor = change.cursor;
    if (change.selection) this.#own.selection = cut(change.selection);
    this.#hasNews.update = true;
    this.#sendSoon();
  }

  /** Shows which part of the board this person sees. */
  viewport(viewport: PresenceViewport): void {
    this.#ownViewport = { ...viewport };
    this.#hasNews.viewport = true;
    this.#sendSoon();
  }

  /** What the server says; of other rooms and of what cannot be read nothing is taken. */
  receive({ event, content }: PresenceMessage): void {
    const { roomId, userId, users, all, self } = content as Record<string, unknown>;
    if (roomId !== this.#parts.roomId) return;
    if (event === SocketEvent.PresenceSync && Array.isArray(users)) {
      if (all === true) this.#takeAll(users as PresencePerson[], self);
      else this.#take(users as PresencePerson[]);
    } else if (typeof userId !== 'string') return;
    else if (event === SocketEvent.PresenceJoin) this.#join(content as PresencePerson);
    else if (event === SocketEvent.PresenceLeave) this.#leave(userId);
  }

  /** The connection has ended: nobody is known any more. */
  forget(): void {
    this.#self = undefined;
    this.#isOnTheWay = { update: false, viewport: false };
    this.#pause.clear();
    for (const userId of [...this.#people.keys()]) this.#leave(userId);
  }

  destroy(): void {
    this.#pause.clear();
    this.removeAllListeners();
  }

  #takeAll(users: readonly PresencePerson[], self: unknown): void {
    const isNew = this.#self === undefined;
    const there = new Set(users.map(({ userId }) => userId));
    for (const userId of [...this.#people.keys()]) if (!there.has(userId)) this.#leave(userId);
    for (const person of users) this.#join(person);
    const shown = users.flatMap((person) => this.#change(person));
    this.emit('presence-sync', { users: shown, all: true });
    // An empty list says that the room was left.
    this.#self = typeof self === 'string' && there.has(self) ? self : undefined;
    if (this.#self === undefined) return;
    const { update, viewport } = this.#hasNews;
    this.#hasNews = isNew
      ? { update: Object.keys(this.#own).length > 0, viewport: this.#ownViewport !== undefined }
      : { update: update || this.#isOnTheWay.update, viewport: viewport || this.#isOnTheWay.viewport };
    this.#sendSoon();
  }

  #take(users: readonly PresencePerson[]): void {
    const shown = users.flatMap((person) => this.#change(person));
    if (shown.length > 0) this.emit('presence-sync', { users: shown, all: false });
  }

  #change({ userId, cursor, selection, viewport, ...news }: PresencePerson): RoomPerson[] {
    const known = this.#people.get(userId);
    if (!known) return [];
    const person = { ...known, cursor, selection, viewport, ...reachOf(news) };
    this.#people.set(userId, person);
    if (userId === this.#self) this.#seesItself(person);
    return [person];
  }

  #seesItself({ cursor, selection, viewport }: PresenceState): void {
    const own = { cursor, selection, ...this.#own };
    if (isSame(own.cursor, cursor) && isSame(own.selection, selection)) this.#isOnTheWay.update = false;
    if (isSame(this.#ownViewport, viewport)) this.#isOnTheWay.viewport = false;
  }

  #join({ userId, user = {}, ...news }: Omit<PresencePerson, keyof PresenceState>): void {
    if (this.#people.has(userId)) return;
    const nothing = { cursor: null, selection: [], viewport: null };
    const person = { userId, user, ...nothing, ...UNKNOWN_REACH, ...reachOf(news) };
    this.#people.set(userId, person);
    this.emit('presence-join', { userId, user: person.user });
  }

  #leave(userId: string): void {
    if (this.#people.delete(userId)) this.emit('presence-leave', { userId });
  }

  /** At once, then not again for a while: the latest then. */
  #sendSoon(): void {
    if (this.#self === undefined || this.#pause.isSet) return;
    const { roomId, send } = this.#parts;
    const { update, viewport } = this.#hasNews;
    if (!update && !viewport) return;
    this.#hasNews = { update: false, viewport: false };
    this.#isOnTheWay.update ||= update;
    this.#isOnTheWay.viewport ||= viewport;
    if (update) send({ event: SocketEvent.PresenceUpdate, content: { roomId, ...this.#own } });
    if (viewport && this.#ownViewport)
      send({ event: SocketEvent.PresenceViewport, content: { roomId, ...this.#ownViewport } });
    this.#pause.set(SEND_INTERVAL_MS, () => this.#sendSoon());
  }
}

/** As much of a selection as the server takes; of more it would show nothing, and might close the connection. */
function cut(ids: readonly string[]): string[] {
  const shown: string[] = [];
  let length = 0;
  for (const id of ids.slice(0, MAX_SELECTION)) {
    length += id.length;
    if (length > MAX_SELECTION_LENGTH) break;
    shown.push(id);
  }
  return shown;
}

function isSame(own: object | null | undefined, shown: object | null): boolean {
  const essence = (value: object | null | undefined) => JSON.stringify(Object.entries(value ?? {}).sort());
  return essence(own) === essence(shown);
}

/** What is said of it; what is left out stays. */
function reachOf({ connections, clients }: Partial<PresenceReach>): Partial<RoomPerson> {
  return {
    ...(typeof connections === 'number' ? { connections } : {}),
    ...(Array.isArray(clients) ? { clients, clientIds: idsOf(clients as PresenceClients[]) } : {}),
  };
}

function idsOf(clients: readonly PresenceClients[]): number[] {
  return [...new Set(clients.flatMap(({ clientIds }) => clientIds))];
}
