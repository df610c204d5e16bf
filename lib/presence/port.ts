import type { PresenceClients, PresenceReach, PresenceState, PresenceUser } from '../protocol/presence.ts';
import type { RoomOfTenant } from '../stream/topics.ts';

/** One connection of somebody to a room. Two tabs of a person are two of them. */
export interface PresentConnection {
  /** Unique among all gateways. */
  connectionId: string;
  userId: string;
  user: PresenceUser;
  /** The awareness client ids that it has announced, by document. */
  clients?: readonly PresenceClients[];
  /** Its gateway has asked it to go on at another one: it is there until it has come, or has not in time. */
  moving?: true;
}

/** A person in a room: there as long as at least one connection is. */
export interface Person extends PresenceState, PresenceReach {
  userId: string;
  user: PresenceUser;
  /** Wall time of the last sign of life, in ms; 0 when nothing has been shown. */
  lastSeen: number;
}

/** What has changed for the people of one room since the last time. A person is in one of the lists at most. */
export interface RoomChange {
  joined: Person[];
  /** User ids. */
  left: string[];
  /** Those of whom nothing but the state is another one. */
  moved: Person[];
  /** Those who have other connections or client ids, and perhaps another state. */
  regrouped: Person[];
}

/**
 * Who is in the rooms of this gateway, by the connections of all gateways. Ids of rooms and users belong to a tenant.
 * Nothing here throws or waits for others: what cannot be told to them now is told later, and the people known stay.
 * Adapters: over the awareness topic (lib/gateway/presence-topic.ts) and Redis (redis.ts), both by shared-presence.ts;
 * test/contract/presence.suite.ts holds what each must do.
 */
export interface Presence {
  /** A connection of this gateway is in the room from now on. Repeated, it changes nothing but its client ids. */
  enter(room: RoomOfTenant, connection: PresentConnection): void;
  /** It has gone. Unknown connections change nothing. */
  leave(room: RoomOfTenant, connectionId: string): void;
  /**
   * The connection has been asked to go on at another gateway. For everybody it stays in the room until the same person
   * has come elsewhere with one of its client ids (with any connection, when it has none), or for the beat time-out.
   */
  move(room: RoomOfTenant, connectionId: string): void;
  /** Latest wins, for the person as a whole; ignored from a connection that has not entered. */
  update(room: RoomOfTenant, connectionId: string, change: Partial<PresenceState>): void;
  /** Everybody who is known in the room now; empty for a room without connections of this gateway. */
  people(room: RoomOfTenant): Person[];
  /** To be called every beat interval: shows others that this gateway lives, and learns which of them do. */
  beat(): void;
  /**
   * Tells what is waiting, then ends. Connections that have not left count as gone at once for the others, those that
   * are moving once this gateway is silent.
   */
  stop(): Promise<void>;
}

/**
 * Called after each tick in which something happened in a room that has connections here, also when `change` is empty
 * because a connection of somebody already there has entered.
 */
export type OnRoomChange = (room: RoomOfTenant, change: RoomChange) => void;
