import { DEFAULT_PAGE_SIZE, type ListQuery } from '../accounts/paging.ts';
import type { PresenceCursor } from '../protocol/presence.ts';
import type { RoomOfTenant } from '../stream/topics.ts';
import type { Person } from './port.ts';

/** A person in a room, for who is not in it. */
export interface PersonView {
  userId: string;
  name: string | null;
  cursor: PresenceCursor | null;
  /** Tabs and devices, at all gateways. */
  connections: number;
  /** Of the last sign of life that is known, ISO 8601; null when nothing has been shown. */
  lastSeen: string | null;
}

export interface PeopleWindow {
  offset: number;
  limit: number;
}

/** Some of the people of a room, ordered by their ids, and how many there are. */
export interface PeopleSlice {
  total: number;
  people: PersonView[];
}

/**
 * Who is in a room now, at all gateways, without a connection of one's own. Rejects with SERVICE_UNAVAILABLE rather
 * than say that nobody is there while somebody may be.
 * Adapters: asked-gateways.ts, redis-reader.ts; test/contract/presence-reader.suite.ts holds what each must do.
 */
export interface PresenceReader {
  people(room: RoomOfTenant, window: PeopleWindow): Promise<PeopleSlice>;
  /** Of each room, in their order; null where it cannot be told now. */
  count(rooms: readonly RoomOfTenant[]): Promise<(number | null)[]>;
  stop(): Promise<void>;
}

/** Of a list's query (lib/accounts/paging.ts). */
export function windowOfPage({ page = 1, pageSize = DEFAULT_PAGE_SIZE }: ListQuery): PeopleWindow {
  return { offset: (page - 1) * pageSize, limit: pageSize };
}

export function sliceOf(people: readonly Person[], { offset, limit }: PeopleWindow): PeopleSlice {
  const ordered = people.toSorted((a, b) => (a.userId < b.userId ? -1 : 1));
  return { total: people.length, people: ordered.slice(offset, offset + limit).map(viewOf) };
}

function viewOf({ userId, user, cursor, connections, lastSeen }: Person): PersonView {
  return {
    userId,
    name: user.name ?? null,
    cursor,
    connections,
    lastSeen: lastSeen === 0 ? null : new Date(lastSeen).toISOString(),
  };
}
