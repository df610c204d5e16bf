import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import { EMPTY_PRESENCE, type PresenceState } from '../protocol/presence.ts';
import type { RoomOfTenant } from '../stream/topics.ts';
import type { PresenceMessage, SeenState } from './messages.ts';
import type { OnRoomChange, Person, Presence, PresentConnection } from './port.ts';
import { RoomPeople } from './room-people.ts';

/** How gateways hear of each other. What is published may be lost, but never comes out of order. */
export interface PresenceBus {
  /** Resolves when messages of the room are handed on from now on, also those of this gateway. */
  open(room: RoomOfTenant): Promise<void>;
  close(room: RoomOfTenant): void;
  publish(room: RoomOfTenant, message: PresenceMessage): void;
  /** Never true while this gateway does not hear itself. */
  isSilent(room: RoomOfTenant, gateway: string): boolean;
  /** Connections of a dead gateway: a bus that keeps them somewhere forgets them. */
  forget?(room: RoomOfTenant, connectionIds: readonly string[]): void;
  beat(): void;
  stop(): Promise<void>;
}

/** What a bus tells. */
export interface PresenceBusEvents {
  onMessage(room: RoomOfTenant, gateway: string, message: PresenceMessage): void;
  /** Messages may have been missed, or others may have believed this gateway dead; of all rooms without one. */
  onGap(room?: RoomOfTenant): void;
}

export interface SharedPresenceParts {
  clock: Clock;
  logger: Logger;
  /** Of this process start: a gateway that comes back is another one. */
  gatewayId: string;
  beatTimeoutMs: number;
  openBus: (events: PresenceBusEvents) => PresenceBus;
  onChange: OnRoomChange;
}

/** Of another gateway. */
interface Heard {
  /** Its last message. */
  n: number;
  /** Connections of the whole list that is coming in. */
  whole?: Set<string> | undefined;
}

interface OpenRoom {
  room: RoomOfTenant;
  people: RoomPeople;
  isOpen: boolean;
  isOpening: boolean;
  /** Last message of this gateway: sent, heard again, sent before the last beat. */
  sent: number;
  echoed: number;
  sentBeforeBeat: number;
  heard: Map<string, Heard>;
  owesAll: boolean;
  owesQuestion: boolean;
  entered: Map<string, PresentConnection>;
  left: Set<string>;
  shown: Set<string>;
}

/** Cursors that move in between are shown together. A first one after a pause is not held back. */
const TICK_MS = 25;
/** Every so many beats a gateway says all it has: what was lost without a trace is repaired, and what expires is renewed. */
export const BEATS_BETWEEN_ALL = 15;
/** Connections, or states, in one message: it stays far below what a record may have. */
const MAX_ITEMS = 64;

/** Presence by what gateways tell each other over a bus: each keeps the whole picture of the rooms it has people in. */
export class SharedPresence implements Presence {
  readonly #parts: SharedPresenceParts;
  readonly #bus: PresenceBus;
  readonly #rooms = new Map<string, OpenRoom>();
  readonly #dirty = new Set<OpenRoom>();
  #number = 0;
  #beats = 0;
  #beatAtMs: number;
  #flushedAtMs = -Infinity;
  #isScheduled = false;
  #isStopped = false;

  constructor(parts: SharedPresenceParts) {
    this.#parts = parts;
    this.#beatAtMs = parts.clock.now();
    this.#bus = parts.openBus({
      onMessage: (room, gateway, message) => this.#receive(room, gateway, message),
      onGap: (room) => this.#afterGap(room),
    });
  }

  enter(room: RoomOfTenant, connection: PresentConnection): void {
    if (this.#isStopped) return;
    const open = this.#rooms.get(keyOf(room)) ?? this.#begin(room);
    const { gatewayId } = this.#parts;
    if (open.people.userOf(gatewayId, connection.connectionId) === connection.userId) return;
    open.people.enter(gatewayId, connection);
    open.left.delete(connection.connectionId);
    open.entered.set(connection.connectionId, connection);
    this.#schedule(open);
  }

  leave(room: RoomOfTenant, connectionId: string): void {
    const open = this.#rooms.get(keyOf(room));
    const { gatewayId } = this.#parts;
    if (open?.people.userOf(gatewayId, connectionId) === undefined) return;
    open.people.leave(gatewayId, connectionId);
    // Who entered in the same tick was never told of.
    if (!open.entered.delete(connectionId)) open.left.add(connectionId);
    this.#schedule(open);
  }

  update(room: RoomOfTenant, connectionId: string, change: Partial<PresenceState>): void {
    const open = this.#rooms.get(keyOf(room));
    const { gatewayId, clock } = this.#parts;
    const userId = open?.people.userOf(gatewayId, connectionId);
    if (!open || userId === undefined) return;
    const { cursor, selection, viewport }: PresenceState = open.people.person(userId) ?? EMPTY_PRESENCE;
    const lastSeen = clock.wallTime();
    open.people.show(gatewayId, { userId, lastSeen, cursor, selection, viewport, ...change });
    open.shown.add(userId);
    this.#schedule(open);
  }

  people(room: RoomOfTenant): Person[] {
    return this.#rooms.get(keyOf(room))?.people.people() ?? [];
  }

  beat(): void {
    if (this.#isStopped) return;
    const { clock, beatTimeoutMs } = this.#parts;
    // A process that stood still was believed dead by the others.
    const stoodStill = clock.now() - this.#beatAtMs > beatTimeoutMs;
    this.#beatAtMs = clock.now();
    this.#bus.beat();
    if (stoodStill) this.#afterGap();
    const isTurnOfAll = ++this.#beats % BEATS_BETWEEN_ALL === 0;
    for (const open of this.#rooms.values()) {
      this.#dropSilent(open);
      // What was sent before the last beat and has not come back has not reached the others either.
      if (isTurnOfAll || open.echoed < open.sentBeforeBeat) this.#owe(open, { question: false });
      open.sentBeforeBeat = open.sent;
      this.#follow(open);
    }
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return;
    const { gatewayId } = this.#parts;
    for (const { room, people } of this.#rooms.values())
      for (const { connectionId } of people.connections(gatewayId)) this.leave(room, connectionId);
    this.#isStopped = true;
    this.#flush();
    await this.#bus.stop();
  }

  #begin(room: RoomOfTenant): OpenRoom {
    const open: OpenRoom = {
      room,
      people: new RoomPeople(),
      isOpen: false,
      isOpening: false,
      sent: 0,
      echoed: 0,
      sentBeforeBeat: 0,
      heard: new Map(),
      owesAll: false,
      owesQuestion: false,
      entered: new Map(),
      left: new Set(),
      shown: new Set(),
    };
    this.#rooms.set(keyOf(room), open);
    this.#follow(open);
    return open;
  }

  /** Asks the others once their answers can be heard. */
  #follow(open: OpenRoom): void {
    if (open.isOpen || open.isOpening) return;
    open.isOpening = true;
    this.#bus.open(open.room).then(
      () => {
        open.isOpening = false;
        open.isOpen = true;
        this.#owe(open, { question: true });
      },
      (error: unknown) => {
        open.isOpening = false;
        this.#parts.logger.warn({ err: error }, 'presence of a room not followed');
        this.#schedule(open);
      },
    );
  }

  #end(open: OpenRoom): void {
    this.#rooms.delete(keyOf(open.room));
    if (open.isOpen) this.#bus.close(open.room);
  }

  #receive(room: RoomOfTenant, gateway: string, message: PresenceMessage): void {
    const open = this.#rooms.get(keyOf(room));
    if (!open) return;
    if (gateway === this.#parts.gatewayId) {
      open.echoed = Math.max(open.echoed, message.n);
      return;
    }
    const { people, heard } = open;
    const before = heard.get(gateway);
    const isGap = !message.all && before?.n !== message.p;
    const whole = message.all ? new Set<string>() : isGap ? undefined : before?.whole;
    for (const connection of message.in ?? []) {
      people.enter(gateway, connection);
      whole?.add(connection.connectionId);
    }
    for (const id of message.out ?? []) people.leave(gateway, id);
    for (const state of message.at ?? []) people.show(gateway, state);
    if (message.end && whole) people.keepOnly(gateway, whole);
    heard.set(gateway, { n: message.n, whole: message.end ? undefined : whole });
    if (message.ask) this.#owe(open, { question: false });
    if (isGap) this.#owe(open, { question: true });
    this.#schedule(open);
  }

  #afterGap(room?: RoomOfTenant): void {
    const named = room && this.#rooms.get(keyOf(room));
    for (const open of room ? (named ? [named] : []) : this.#rooms.values())
      this.#owe(open, { question: true });
  }

  #owe(open: OpenRoom, { question }: { question: boolean }): void {
    open.owesAll = true;
    if (question) open.owesQuestion = true;
    this.#schedule(open);
  }

  #dropSilent(open: OpenRoom): void {
    const { people, heard, room } = open;
    for (const gateway of people.gateways()) {
      if (gateway === this.#parts.gatewayId || !this.#bus.isSilent(room, gateway)) continue;
      heard.delete(gateway);
      // Not inside the call: nobody need be there to be called.
      const connectionIds = people.drop(gateway);
      this.#bus.forget?.(room, connectionIds);
      this.#schedule(open);
    }
  }

  #schedule(open: OpenRoom): void {
    this.#dirty.add(open);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    const { clock } = this.#parts;
    const waitMs = this.#flushedAtMs + TICK_MS - clock.now();
    const flush = () => this.#flush();
    if (waitMs > 0) clock.setTimeout(flush, waitMs);
    else clock.setImmediate(flush);
  }

  #flush(): void {
    this.#isScheduled = false;
    this.#flushedAtMs = this.#parts.clock.now();
    const dirty = [...this.#dirty];
    this.#dirty.clear();
    for (const open of dirty) {
      if (this.#rooms.get(keyOf(open.room)) !== open) continue;
      this.#tell(open);
      this.#parts.onChange(open.room, open.people.takeChange());
      // One that is being opened is ended afterwards: it may be entered again meanwhile.
      if (!open.isOpening && !open.people.isAt(this.#parts.gatewayId)) this.#end(open);
    }
  }

  /** To the other gateways. Before the room is open nobody has to know: then everything is told. */
  #tell(open: OpenRoom): void {
    const { gatewayId } = this.#parts;
    const { people, entered, left, shown } = open;
    const states = [...shown].flatMap((userId) => people.stateOf(gatewayId, userId) ?? []);
    const changes = { in: [...entered.values()], out: [...left], at: states };
    entered.clear();
    left.clear();
    shown.clear();
    if (!open.isOpen) return;
    if (open.owesAll || open.sent === 0) {
      const all = { in: people.connections(gatewayId), out: [], at: people.states(gatewayId) };
      const ask = open.owesQuestion;
      open.owesAll = open.owesQuestion = false;
      this.#publish(open, all, { all: true, ...(ask ? { ask: true } : {}) });
    } else this.#publish(open, changes, {});
  }

  #publish(
    open: OpenRoom,
    { in: entered, out, at }: { in: PresentConnection[]; out: string[]; at: SeenState[] },
    flags: Pick<PresenceMessage, 'all' | 'ask'>,
  ): void {
    const parts = Math.max(
      flags.all ? 1 : 0,
      ...[entered, out, at].map(({ length }) => Math.ceil(length / MAX_ITEMS)),
    );
    const cut = <T>(items: readonly T[], part: number) =>
      items.slice(part * MAX_ITEMS, (part + 1) * MAX_ITEMS);
    for (let part = 0; part < parts; part++) {
      const n = ++this.#number;
      this.#bus.publish(open.room, {
        n,
        p: open.sent,
        ...(part === 0 ? flags : {}),
        ...(flags.all && part === parts - 1 ? { end: true } : {}),
        ...listed('in', cut(entered, part)),
        ...listed('out', cut(out, part)),
        ...listed('at', cut(at, part)),
      });
      open.sent = n;
    }
  }
}

function listed<K extends string, T>(key: K, items: T[]): Partial<Record<K, T[]>> {
  return items.length === 0 ? {} : ({ [key]: items } as Partial<Record<K, T[]>>);
}

function keyOf({ tenantId, roomId }: RoomOfTenant): string {
  return `${encodeURIComponent(tenantId)}/${encodeURIComponent(roomId)}`;
}
