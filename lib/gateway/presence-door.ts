import type { Clock } from '../clock.ts';
import type { Person, Presence, PresentConnection, RoomChange } from '../presence/port.ts';
import { SocketEvent } from '../protocol/events.ts';
import { readPresenceUpdate, readPresenceViewport, type PresenceState } from '../protocol/presence.ts';
import type { RoomOfTenant } from '../stream/topics.ts';
import { clientIdsOf } from './client-ids.ts';
import type { ClientSession } from './client-session.ts';
import type { GatewayMetrics } from './gateway-metrics.ts';
import type { Subscription } from './hosted-document.ts';
import { eventOfAll, eventsOf } from './presence-events.ts';
import type { RateLimit, RateLimits } from './rate-limits.ts';
import { RecordHeader } from './record-headers.ts';

export interface PresenceDoorParts {
  clock: Clock;
  metrics: GatewayMetrics;
  rates: RateLimits;
  presence: () => Presence;
}

export type PresenceEvent = typeof SocketEvent.PresenceUpdate | typeof SocketEvent.PresenceViewport;

/** A connection in a room: as long as it has joined at least one document of it. */
interface Member extends Pick<PresentConnection, 'connectionId' | 'userId' | 'user'> {
  subscriptions: Set<Subscription>;
  /** All subscriptions of a connection share it. */
  outbox: Subscription['outbox'];
  /** Gets everybody instead of what has changed: it has just come, or could not be sent something. */
  owesAll: boolean;
  rate: RateLimit;
  /** What came too fast, until it may be shown. */
  late: Partial<PresenceState> | undefined;
}

interface MemberRoom {
  room: RoomOfTenant;
  members: Map<string, Member>;
}

/** Between the sockets and `Presence`: who is in a room because of what, what a client may say, who is told. */
export class PresenceDoor {
  readonly #parts: PresenceDoorParts;
  readonly #rooms = new Map<string, MemberRoom>();

  constructor(parts: PresenceDoorParts) {
    this.#parts = parts;
  }

  /** The connection has got the document: it is in its room, be it to read only. Idempotent. */
  entered(subscription: Subscription): void {
    const room = roomOf(subscription);
    const connectionId = connectionOf(subscription);
    const { members } = this.#roomAt(room);
    const known = members.get(connectionId);
    if (known) {
      known.subscriptions.add(subscription);
      return this.#enter(room, known);
    }
    // Nobody speaks for somebody else; without accounts every connection is a person.
    const { userId = connectionId, name } = subscription.identity;
    const member = {
      connectionId,
      userId,
      user: name === undefined ? {} : { name },
      subscriptions: new Set([subscription]),
      outbox: subscription.outbox,
      owesAll: true,
      rate: this.#parts.rates.presence(),
      late: undefined,
    };
    members.set(connectionId, member);
    this.#enter(room, member);
  }

  /** It has other awareness client ids; those that came before it had entered are told with that. */
  regrouped(subscription: Subscription): void {
    const room = roomOf(subscription);
    const member = this.#rooms.get(keyOf(room))?.members.get(connectionOf(subscription));
    if (member?.subscriptions.has(subscription)) this.#enter(room, member);
  }

  /** It has left the document, lost its right to it, or has gone. Idempotent. */
  left(subscription: Subscription): void {
    const room = roomOf(subscription);
    const member = this.#take(room, subscription);
    if (!member) return;
    if (member.subscriptions.size > 0) return this.#enter(room, member);
    this.#parts.presence().leave(room, member.connectionId);
    // From here on it hears nothing of the room; one that has gone hears not even this.
    subscription.outbox.offerEvent(eventOfAll(room, { people: [], self: member.userId }));
  }

  /** The connection was asked to go on at another gateway: until it is there nobody is told that it has left. Idempotent. */
  moved(subscription: Subscription): void {
    // Without accounts it comes back as somebody else.
    if (subscription.identity.userId === undefined) return this.left(subscription);
    const room = roomOf(subscription);
    const member = this.#take(room, subscription);
    // Each of its documents is moved; those before the last one take no client ids with them.
    if (member?.subscriptions.size === 0) this.#parts.presence().move(room, member.connectionId);
  }

  /** What a client shows of itself. Never throws for what a client can send. */
  receive(session: ClientSession, event: PresenceEvent, content: unknown): void {
    if (session.isClosed) return;
    const tooMuchMs = session.rate.take(0);
    if (tooMuchMs > 0) {
      session.pauseReading(tooMuchMs);
      return this.#parts.metrics.awarenessDropped.inc();
    }
    const read = event === SocketEvent.PresenceUpdate ? readUpdate(content) : readViewport(content);
    if (!read.ok) return session.nack(read.failure.code, { message: read.failure.message });
    const { roomId, change } = read;
    const tenantId = session.tenantOf(roomId);
    const open = tenantId === undefined ? undefined : this.#rooms.get(keyOf({ tenantId, roomId }));
    const member = open?.members.get(session.id);
    // On its way when the room was left: what is shown may be lost.
    if (!open || !member) return this.#parts.metrics.awarenessDropped.inc();
    this.#show(open, member, change);
  }

  /** Everybody in a room with connections here; empty for any other. */
  people(room: RoomOfTenant): Person[] {
    return this.#parts.presence().people(room);
  }

  /** What has changed in a tick goes to everybody in the room: one frame for all who moved, encoded once. */
  changed(room: RoomOfTenant, change: RoomChange): void {
    const members = this.#rooms.get(keyOf(room))?.members;
    if (!members) return;
    const events = eventsOf(room, change);
    for (const member of members.values()) {
      if (member.owesAll) this.#sendAll(room, member);
      else if (!events.every((event) => member.outbox.offerEvent(event))) member.owesAll = true;
    }
  }

  /** Who could not be sent something gets everybody as soon as the connection takes it. */
  beat(): void {
    for (const { room, members } of this.#rooms.values())
      for (const member of members.values()) if (member.owesAll) this.#sendAll(room, member);
  }

  /** With the client ids that it has now; the same as before change nothing. */
  #enter(room: RoomOfTenant, { connectionId, userId, user, subscriptions }: Member): void {
    const clients = clientIdsOf(subscriptions);
    this.#parts.presence().enter(room, { connectionId, userId, user, clients });
  }

  /** Without the subscription, and out of the room with the last one; undefined when it has none of that room. */
  #take(room: RoomOfTenant, subscription: Subscription): Member | undefined {
    const members = this.#rooms.get(keyOf(room))?.members;
    const member = members?.get(connectionOf(subscription));
    if (!members || !member?.subscriptions.delete(subscription)) return undefined;
    if (member.subscriptions.size > 0) return member;
    members.delete(member.connectionId);
    if (members.size === 0) this.#rooms.delete(keyOf(room));
    return member;
  }

  #show(open: MemberRoom, member: Member, change: Partial<PresenceState>): void {
    const { clock, presence, metrics } = this.#parts;
    if (member.late) {
      Object.assign(member.late, change);
      return metrics.awarenessDropped.inc();
    }
    const waitMs = member.rate.take(0);
    if (waitMs === 0) return presence().update(open.room, member.connectionId, change);
    member.late = { ...change };
    clock.setTimeout(() => {
      const { late = {} } = member;
      member.late = undefined;
      if (open.members.get(member.connectionId) === member)
        presence().update(open.room, member.connectionId, late);
    }, waitMs);
  }

  #sendAll(room: RoomOfTenant, member: Member): void {
    const all = { people: this.#parts.presence().people(room), self: member.userId };
    member.owesAll = !member.outbox.offerEvent(eventOfAll(room, all));
  }

  #roomAt(room: RoomOfTenant): MemberRoom {
    const key = keyOf(room);
    let open = this.#rooms.get(key);
    if (!open) this.#rooms.set(key, (open = { room, members: new Map() }));
    return open;
  }
}

type Read =
  | { ok: true; roomId: string; change: Partial<PresenceState> }
  | Extract<ReturnType<typeof readPresenceUpdate>, { ok: false }>;

function readUpdate(content: unknown): Read {
  const update = readPresenceUpdate(content);
  if (!update.ok) return update;
  const { roomId, ...change } = update.value;
  return { ok: true, roomId, change };
}

function readViewport(content: unknown): Read {
  const viewport = readPresenceViewport(content);
  if (!viewport.ok) return viewport;
  const { roomId, x, y, zoom } = viewport.value;
  return { ok: true, roomId, change: { viewport: { x, y, zoom } } };
}

function connectionOf(subscription: Subscription): string {
  return subscription.headers[RecordHeader.Connection]!;
}

function roomOf({ document: { id } }: Subscription): RoomOfTenant {
  return { tenantId: id.tenantId, roomId: id.roomId };
}

/** No id has a control character. */
function keyOf({ tenantId, roomId }: RoomOfTenant): string {
  return `${tenantId}\n${roomId}`;
}
