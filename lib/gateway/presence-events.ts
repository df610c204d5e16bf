import type { Person, RoomChange } from '../presence/port.ts';
import { SocketEvent } from '../protocol/events.ts';
import type { PresencePerson, PresenceReach } from '../protocol/presence.ts';
import type { RoomOfTenant } from '../stream/topics.ts';
import type { SharedEvent } from './port.ts';
import { shareEvent } from './shared-frame.ts';

/** What everybody in the room is told of a change, in this order. */
export function eventsOf(
  { roomId }: RoomOfTenant,
  { joined, left, moved, regrouped }: RoomChange,
): SharedEvent[] {
  const events = left.map((userId) => shareEvent(SocketEvent.PresenceLeave, { roomId, userId }));
  for (const person of joined) {
    const { userId, user } = person;
    events.push(shareEvent(SocketEvent.PresenceJoin, { roomId, userId, user, ...reachOf(person) }));
  }
  // Who comes from another gateway may show something already.
  const shown = [...moved, ...joined.filter(({ lastSeen }) => lastSeen > 0)];
  const users = [
    ...shown.map(shownOf),
    ...regrouped.map((person) => ({ ...shownOf(person), ...reachOf(person) })),
  ];
  if (users.length > 0) events.push(shareEvent(SocketEvent.PresenceSync, { roomId, users }));
  return events;
}

/** Everybody in the room, for somebody of it. */
export function eventOfAll(
  { roomId }: RoomOfTenant,
  { people, self }: { people: readonly Person[]; self: string },
): SharedEvent {
  const users = people.map((person) => ({ ...shownOf(person), ...reachOf(person), user: person.user }));
  return shareEvent(SocketEvent.PresenceSync, { roomId, all: true, self, users });
}

function shownOf({ userId, cursor, selection, viewport }: Person): PresencePerson {
  return { userId, cursor, selection, viewport };
}

function reachOf({ connections, clients }: Person): PresenceReach {
  return { connections, clients };
}
