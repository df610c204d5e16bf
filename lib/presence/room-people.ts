import {
  EMPTY_PRESENCE,
  type PresenceClients,
  type PresenceState,
  type PresenceUser,
} from '../protocol/presence.ts';
import { isSameClients, mergeClients } from './clients.ts';
import type { SeenState } from './messages.ts';
import { replacedOf, type KnownConnection, type ReplacedConnection } from './moving.ts';
import type { Person, PresentConnection, RoomChange } from './port.ts';

interface KnownPerson {
  user: PresenceUser;
  connections: Map<string, KnownConnection>;
  /** Of all connections, until one of them changes: it is asked for with every move. */
  clients: readonly PresenceClients[] | undefined;
  /** Gateway → the state that was last shown there. */
  states: Map<string, SeenState>;
}

/** The people of one room, by the connections of each gateway. What has changed is told once, by the difference. */
export class RoomPeople {
  readonly #people = new Map<string, KnownPerson>();
  /** Gateway → connection → user. */
  readonly #gateways = new Map<string, Map<string, string>>();
  /** Users who were told to be there. */
  readonly #told = new Set<string>();
  readonly #changed = new Set<string>();
  /** Users with other connections or client ids. */
  readonly #regrouped = new Set<string>();
  #replaced: ReplacedConnection[] = [];

  /** False when it changes nothing. */
  enter(gateway: string, connection: PresentConnection): boolean {
    const { connectionId, userId, user, clients = [], moving = false } = connection;
    const before = this.userOf(gateway, connectionId);
    if (before !== undefined && before !== userId) this.leave(gateway, connectionId);
    let person = this.#people.get(userId);
    const known = person?.connections.get(connectionId);
    const isKnown = known?.gateway === gateway && isSameClients(known.clients, clients);
    if (isKnown && known.moving === moving) return false;
    this.#connectionsOf(gateway).set(connectionId, userId);
    if (!person) {
      person = { user, connections: new Map(), clients: undefined, states: new Map() };
      this.#people.set(userId, person);
    }
    person.connections.set(connectionId, { gateway, clients, moving });
    // That it moves is nobody's business but the gateways'.
    if (!isKnown) this.#regroup(userId, person);
    for (const replaced of replacedOf(person.connections, { connectionId, isNew: !known }))
      this.#replace(person, replaced);
    return true;
  }

  /** Connections that were moving and have come back as others since the last call. */
  takeReplaced(): ReplacedConnection[] {
    const replaced = this.#replaced;
    this.#replaced = [];
    return replaced;
  }

  leave(gateway: string, connectionId: string): void {
    const connections = this.#gateways.get(gateway);
    const userId = connections?.get(connectionId);
    if (!connections || userId === undefined) return;
    connections.delete(connectionId);
    if (connections.size === 0) this.#gateways.delete(gateway);
    const person = this.#people.get(userId);
    if (!person) return;
    person.connections.delete(connectionId);
    this.#regroup(userId, person);
    // What was shown at a gateway goes with the last connection there.
    if (person.connections.size === 0) this.#people.delete(userId);
    else if (!hasConnectionAt(gateway, person)) person.states.delete(gateway);
  }

  /** Ignored for a user without a connection at that gateway: it would never be taken away again. */
  show(gateway: string, state: SeenState): void {
    const person = this.#people.get(state.userId);
    if (!person || !hasConnectionAt(gateway, person)) return;
    person.states.set(gateway, state);
    this.#changed.add(state.userId);
  }

  /** The gateway has no other connections than these. */
  keepOnly(gateway: string, connectionIds: ReadonlySet<string>): void {
    for (const id of [...(this.#gateways.get(gateway)?.keys() ?? [])])
      if (!connectionIds.has(id)) this.leave(gateway, id);
  }

  /** The gateway has gone, and with it its connections, whose ids are returned. */
  drop(gateway: string): string[] {
    const ids = [...(this.#gateways.get(gateway)?.keys() ?? [])];
    for (const id of ids) this.leave(gateway, id);
    return ids;
  }

  userOf(gateway: string, connectionId: string): string | undefined {
    return this.#gateways.get(gateway)?.get(connectionId);
  }

  isAt(gateway: string): boolean {
    return this.#gateways.has(gateway);
  }

  /** Whether any other gateway has somebody in the room. */
  isShared(own: string): boolean {
    return this.#gateways.size > (this.#gateways.has(own) ? 1 : 0);
  }

  gateways(): string[] {
    return [...this.#gateways.keys()];
  }

  connections(gateway: string): PresentConnection[] {
    const ids = [...(this.#gateways.get(gateway)?.keys() ?? [])];
    return ids.map((connectionId) => this.connectionOf(gateway, connectionId)!);
  }

  connectionOf(gateway: string, connectionId: string): PresentConnection | undefined {
    const userId = this.userOf(gateway, connectionId);
    const person = userId === undefined ? undefined : this.#people.get(userId);
    if (userId === undefined || !person) return undefined;
    const { clients = [], moving = false } = person.connections.get(connectionId) ?? {};
    const connection: PresentConnection = { connectionId, userId, user: person.user };
    if (clients.length > 0) connection.clients = clients;
    if (moving) connection.moving = true;
    return connection;
  }

  states(gateway: string): SeenState[] {
    const users = new Set(this.#gateways.get(gateway)?.values());
    return [...users].flatMap((userId) => this.stateOf(gateway, userId) ?? []);
  }

  stateOf(gateway: string, userId: string): SeenState | undefined {
    return this.#people.get(userId)?.states.get(gateway);
  }

  people(): Person[] {
    return [...this.#people.keys()].map((userId) => this.person(userId)!);
  }

  /** What is another than at the last call. Somebody who came and went in between is not told at all. */
  takeChange(): RoomChange {
    const change: RoomChange = { joined: [], left: [], moved: [], regrouped: [] };
    for (const userId of this.#changed) {
      const person = this.person(userId);
      const wasThere = this.#told.has(userId);
      if (person && wasThere) change[this.#regrouped.has(userId) ? 'regrouped' : 'moved'].push(person);
      else if (person) {
        this.#told.add(userId);
        change.joined.push(person);
      } else if (this.#told.delete(userId)) change.left.push(userId);
    }
    this.#changed.clear();
    this.#regrouped.clear();
    return change;
  }

  person(userId: string): Person | undefined {
    const person = this.#people.get(userId);
    if (!person) return undefined;
    const latest = this.stateOfPerson(userId);
    const { cursor, selection, viewport }: PresenceState = latest ?? EMPTY_PRESENCE;
    const { user } = person;
    const connections = person.connections.size;
    const clients = (person.clients ??= mergeClients([...person.connections.values()]));
    const lastSeen = latest?.lastSeen ?? 0;
    return { userId, user, cursor, selection, viewport, connections, clients, lastSeen };
  }

  /** The latest of what the person's connections have shown. */
  stateOfPerson(userId: string): SeenState | undefined {
    let latest: SeenState | undefined;
    for (const state of this.#people.get(userId)?.states.values() ?? [])
      if (!latest || state.lastSeen > latest.lastSeen) latest = state;
    return latest;
  }

  /** What was shown goes on with the connection. */
  #replace({ states }: KnownPerson, replaced: ReplacedConnection): void {
    const { gateway, connectionId, by } = replaced;
    const [shown, later] = [states.get(gateway), states.get(by)];
    if (shown && shown.lastSeen > (later?.lastSeen ?? 0)) states.set(by, { ...shown });
    this.leave(gateway, connectionId);
    this.#replaced.push(replaced);
  }

  #regroup(userId: string, person: KnownPerson): void {
    person.clients = undefined;
    this.#changed.add(userId);
    this.#regrouped.add(userId);
  }

  #connectionsOf(gateway: string): Map<string, string> {
    let connections = this.#gateways.get(gateway);
    if (!connections) this.#gateways.set(gateway, (connections = new Map()));
    return connections;
  }
}

/** Without an array of them: asked for every move. */
function hasConnectionAt(gateway: string, { connections }: KnownPerson): boolean {
  for (const connection of connections.values()) if (connection.gateway === gateway) return true;
  return false;
}
