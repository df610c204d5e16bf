import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import { EMPTY_PRESENCE, type PresenceState } from '../protocol/presence.ts';
import type { DocumentId } from '../protocol/ids.ts';
import type { RoomOfTenant } from '../stream/topics.ts';
import type { PresenceBus, PresenceBusEvents } from './bus.ts';
import type { PresenceMessage } from './messages.ts';
import type { OnRoomChange, Person, Presence, PresentConnection } from './port.ts';
import { OpenRoom } from './open-room.ts';
import { Tick } from './tick.ts';

export interface SharedPresenceParts {
  clock: Clock;
  logger: Logger;
  /** Of this process start: a gateway that comes back is another one. */
  gatewayId: string;
  beatTimeoutMs: number;
  openBus: (events: PresenceBusEvents) => PresenceBus;
  onChange: OnRoomChange;
}

/** Cursors that move in between are shown together. A first one after a pause is not held back. */
const TICK_MS = 33;
/** Other gateways are told of all rooms together, by one request to each broker; a shorter tick costs more records. */
const TELL_TICK_MS = 15;
/** Every so many beats a gateway says all it has: what was lost without a trace is repaired, and what expires is renewed. */
export const BEATS_BETWEEN_ALL = 15;

/** Presence by what gateways tell each other over a bus: each keeps the whole picture of the rooms it has people in. */
export class SharedPresence implements Presence {
  readonly #parts: SharedPresenceParts;
  readonly #bus: PresenceBus;
  readonly #rooms = new Map<string, OpenRoom>();
  /** Each room has its own ticks: all at once they would hold up what comes in meanwhile. */
  readonly #flushes = new Map<OpenRoom, Tick>();
  readonly #telling: Tick;
  readonly #nextNumber = () => ++this.#number;
  #number = 0;
  /** Rooms of which others may have to be told. */
  readonly #toTell = new Set<OpenRoom>();
  #beats = 0;
  #beatAtMs: number;
  #isStopped = false;

  constructor(parts: SharedPresenceParts) {
    this.#parts = parts;
    this.#beatAtMs = parts.clock.now();
    this.#telling = new Tick({ clock: parts.clock, tickMs: TELL_TICK_MS, work: () => this.#tell() });
    this.#bus = parts.openBus({
      onMessage: (room, gateway, message) => this.#receive(room, gateway, message),
      onGap: (room) => this.#afterGap(room),
      onBeat: (room) => this.#each(room, (open) => this.#dropSilent(open)),
    });
  }

  enter(room: RoomOfTenant, connection: PresentConnection): void {
    if (this.#isStopped) return;
    const open = this.#rooms.get(keyOf(room)) ?? this.#begin(room);
    if (open.enter(connection)) this.#schedule(open);
  }

  leave(room: RoomOfTenant, connectionId: string): void {
    const open = this.#rooms.get(keyOf(room));
    if (open?.leave(connectionId)) this.#schedule(open);
  }

  move(room: RoomOfTenant, connectionId: string): void {
    const { clock, beatTimeoutMs } = this.#parts;
    const open = this.#rooms.get(keyOf(room));
    if (open?.move(connectionId, clock.now() + beatTimeoutMs)) this.#schedule(open);
  }

  update(room: RoomOfTenant, connectionId: string, change: Partial<PresenceState>): void {
    const open = this.#rooms.get(keyOf(room));
    const { gatewayId, clock } = this.#parts;
    const userId = open?.people.userOf(gatewayId, connectionId);
    if (!open || userId === undefined) return;
    const known = open.people.stateOfPerson(userId);
    const { cursor, selection, viewport }: PresenceState = known ?? EMPTY_PRESENCE;
    // What is shown later counts, also where another gateway's clock is ahead of this one's.
    const lastSeen = Math.max(clock.wallTime(), (known?.lastSeen ?? 0) + 1);
    open.show({ userId, lastSeen, cursor, selection, viewport, ...change });
    this.#schedule(open);
  }

  people(room: RoomOfTenant): Person[] {
    return this.#rooms.get(keyOf(room))?.people.people() ?? [];
  }

  /** The person who announces an awareness client id in a document. */
  announcerOf({ tenantId, roomId, docId, subdocId }: DocumentId, clientId: number): string | undefined {
    const announces = ({ clients = [] }: Person) =>
      clients.some(
        (own) => own.docId === docId && own.subdocId === subdocId && own.clientIds.includes(clientId),
      );
    return this.people({ tenantId, roomId }).find(announces)?.userId;
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
      if (open.beat() || isTurnOfAll) this.#owe(open, { question: false });
      if (open.endMoving(clock.now())) this.#schedule(open);
      this.#follow(open);
    }
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return;
    const { gatewayId } = this.#parts;
    for (const { room, people } of this.#rooms.values())
      for (const { connectionId, moving } of people.connections(gatewayId))
        if (!moving) this.leave(room, connectionId);
    this.#isStopped = true;
    for (const flush of this.#flushes.values()) flush.finish();
    this.#telling.finish();
    await this.#bus.stop();
  }

  #begin(room: RoomOfTenant): OpenRoom {
    const open = new OpenRoom(room, this.#parts.gatewayId);
    this.#rooms.set(keyOf(room), open);
    const { clock } = this.#parts;
    this.#flushes.set(open, new Tick({ clock, tickMs: TICK_MS, work: () => this.#flush(open) }));
    this.#follow(open);
    return open;
  }

  /** Asks the others once their answers can be heard. */
  #follow(open: OpenRoom): void {
    if (open.phase !== 'closed') return;
    open.phase = 'opening';
    this.#bus.open(open.room).then(
      () => {
        open.phase = 'open';
        this.#owe(open, { question: true });
      },
      (error: unknown) => {
        open.phase = 'closed';
        this.#parts.logger.warn({ err: error }, 'presence of a room not followed');
        this.#schedule(open);
      },
    );
  }

  #end(open: OpenRoom): void {
    this.#rooms.delete(keyOf(open.room));
    this.#flushes.delete(open);
    if (open.phase === 'open') this.#bus.close(open.room);
  }

  #receive(room: RoomOfTenant, gateway: string, message: PresenceMessage): void {
    const open = this.#rooms.get(keyOf(room));
    if (!open) return;
    if (gateway === this.#parts.gatewayId) return open.echo(message.n);
    open.receive(gateway, message);
    this.#flushes.get(open)?.ask();
    if (open.hasNews) this.#tellSoon(open);
  }

  #afterGap(room?: RoomOfTenant): void {
    this.#each(room, (open) => this.#owe(open, { question: true }));
  }

  /** The room, if it is open; without one, all of them. */
  #each(room: RoomOfTenant | undefined, work: (open: OpenRoom) => void): void {
    const named = room && this.#rooms.get(keyOf(room));
    for (const open of room ? (named ? [named] : []) : this.#rooms.values()) work(open);
  }

  #owe(open: OpenRoom, { question }: { question: boolean }): void {
    open.owe({ question });
    this.#schedule(open);
  }

  #dropSilent(open: OpenRoom): void {
    const { people, room } = open;
    for (const gateway of people.gateways()) {
      if (gateway === this.#parts.gatewayId || !this.#bus.isSilent(room, gateway)) continue;
      // Not inside the call: nobody need be there to be called.
      const connectionIds = open.drop(gateway);
      this.#bus.forget?.(room, connectionIds);
      this.#schedule(open);
    }
  }

  #schedule(open: OpenRoom): void {
    this.#flushes.get(open)?.ask();
    this.#tellSoon(open);
  }

  #tellSoon(open: OpenRoom): void {
    this.#toTell.add(open);
    this.#telling.ask();
  }

  /** To who is in the room here. */
  #flush(open: OpenRoom): void {
    if (this.#rooms.get(keyOf(open.room)) === open) this.#parts.onChange(open.room, open.people.takeChange());
  }

  #tell(): void {
    const rooms = [...this.#toTell];
    this.#toTell.clear();
    for (const open of rooms) {
      if (this.#rooms.get(keyOf(open.room)) !== open) continue;
      const { messages, shown, comeBack } = open.take(this.#nextNumber);
      for (const message of messages) this.#bus.publish(open.room, message);
      if (shown.length > 0) this.#bus.keep?.(open.room, shown);
      // Behind what says that the person is here: nothing of it may be taken away.
      if (comeBack.length > 0) this.#bus.forget?.(open.room, comeBack);
      // One that is being opened is ended afterwards: it may be entered again meanwhile.
      if (open.phase !== 'opening' && !open.people.isAt(this.#parts.gatewayId)) this.#end(open);
    }
  }
}

/** No id has a control character. */
function keyOf({ tenantId, roomId }: RoomOfTenant): string {
  return `${tenantId}\n${roomId}`;
}
