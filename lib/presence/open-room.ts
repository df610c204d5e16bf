import type { RoomOfTenant } from '../stream/topics.ts';
import type { PresenceMessage, SeenState } from './messages.ts';
import type { PresentConnection } from './port.ts';
import { RoomPeople } from './room-people.ts';

/** Of another gateway. */
interface Heard {
  /** Its last message. */
  n: number;
  /** Connections of the whole list that is coming in. */
  whole?: Set<string> | undefined;
}

/** Connections, or states, in one message: it stays far below what a record may have. */
const MAX_ITEMS = 64;

/** What others have to be told now. */
interface Told {
  messages: PresenceMessage[];
  /** What has been shown here. */
  shown: SeenState[];
  /** Connections of other gateways that are here by now. */
  comeBack: string[];
}

interface Said {
  in: PresentConnection[];
  out: string[];
  at: SeenState[];
}

/** A room with people at this gateway: what others have said of it, and what has to be told them. */
export class OpenRoom {
  readonly room: RoomOfTenant;
  readonly people = new RoomPeople();
  readonly #gatewayId: string;
  readonly #heard = new Map<string, Heard>();
  /** Whether others are heard, and may be told. */
  phase: 'closed' | 'opening' | 'open' = 'closed';
  /** Last message of this gateway: sent, heard again, sent before the last beat. */
  #sent = 0;
  #echoed = 0;
  #sentBeforeBeat = 0;
  #owesAll = false;
  #owesQuestion = false;
  /** New ones, and those with other client ids. */
  readonly #entered = new Map<string, PresentConnection>();
  /** Those of them of which nobody has been told yet. */
  readonly #untold = new Set<string>();
  readonly #left = new Set<string>();
  /** Own connections that were asked to move, and until when they may come back elsewhere, in ms. */
  readonly #movingUntilMs = new Map<string, number>();
  /** Connections that have come back here: their gateway may have no time left to say so. */
  readonly #comeBack: string[] = [];
  readonly #shown = new Set<string>();
  /** Users whose state others have not been told: there was none, as far as was known. */
  readonly #untoldShown = new Set<string>();

  constructor(room: RoomOfTenant, gatewayId: string) {
    this.room = room;
    this.#gatewayId = gatewayId;
  }

  /** False when it changes nothing. */
  enter(connection: PresentConnection): boolean {
    const { connectionId } = connection;
    if (!connection.moving) this.#movingUntilMs.delete(connectionId);
    const isNew = this.people.userOf(this.#gatewayId, connectionId) === undefined;
    if (!this.people.enter(this.#gatewayId, connection)) return false;
    if (!this.#left.delete(connectionId) && isNew) this.#untold.add(connectionId);
    this.#entered.set(connectionId, connection);
    this.#takeReplaced();
    return true;
  }

  /** It stays until then, or until it has come back elsewhere. False when it is not here. */
  move(connectionId: string, untilMs: number): boolean {
    const connection = this.people.connectionOf(this.#gatewayId, connectionId);
    if (!connection) return false;
    this.#movingUntilMs.set(connectionId, untilMs);
    return this.enter({ ...connection, moving: true });
  }

  /** Those that have not come back in time leave; false when there are none. */
  endMoving(nowMs: number): boolean {
    const late = [...this.#movingUntilMs].filter(([, untilMs]) => untilMs <= nowMs);
    for (const [connectionId] of late) this.leave(connectionId);
    return late.length > 0;
  }

  /** False when it changes nothing. */
  leave(connectionId: string): boolean {
    if (this.people.userOf(this.#gatewayId, connectionId) === undefined) return false;
    this.people.leave(this.#gatewayId, connectionId);
    this.#gone(connectionId);
    return true;
  }

  show(state: SeenState): void {
    this.people.show(this.#gatewayId, state);
    this.#shown.add(state.userId);
  }

  /** What this gateway had on its way when it was heard again. */
  echo(n: number): void {
    this.#echoed = Math.max(this.#echoed, n);
  }

  /** Whether `take` may have something; what was shown while nobody else had to know counts. */
  get hasNews(): boolean {
    if (this.#owesAll || this.#owesQuestion) return true;
    return this.#entered.size + this.#left.size + this.#shown.size + this.#untoldShown.size > 0;
  }

  /** Takes what another gateway says. */
  receive(gateway: string, message: PresenceMessage): void {
    const before = this.#heard.get(gateway);
    const isGap = !message.all && before?.n !== message.p;
    const whole = message.all ? new Set<string>() : isGap ? undefined : before?.whole;
    for (const connection of message.in ?? []) {
      this.people.enter(gateway, connection);
      whole?.add(connection.connectionId);
    }
    for (const id of message.out ?? []) this.people.leave(gateway, id);
    for (const state of message.at ?? []) this.people.show(gateway, state);
    this.#takeReplaced();
    if (message.end && whole) this.people.keepOnly(gateway, whole);
    this.#heard.set(gateway, { n: message.n, whole: message.end ? undefined : whole });
    if (message.ask) this.owe({ question: false });
    if (isGap) this.owe({ question: true });
  }

  /** It is dead; returns its connections. */
  drop(gateway: string): string[] {
    this.#heard.delete(gateway);
    return this.people.drop(gateway);
  }

  /** Everything has to be said again, with the question to the others to do the same. */
  owe({ question }: { question: boolean }): void {
    this.#owesAll = true;
    if (question) this.#owesQuestion = true;
  }

  /** True when what was sent before the last beat has not come back: it has not reached the others either. */
  beat(): boolean {
    const isLost = this.#echoed < this.#sentBeforeBeat;
    this.#sentBeforeBeat = this.#sent;
    return isLost;
  }

  /**
   * What has to be told now. Before the room is open nobody has to know: then everything is
   * told. Where no other gateway has anybody, moves are not told: who comes asks, and gets them. Of one that has not
   * answered yet nothing is known, so they are told when it does.
   */
  take(nextNumber: () => number): Told {
    const comeBack = this.phase === 'open' ? this.#comeBack.splice(0) : [];
    return { ...this.#take(nextNumber), comeBack };
  }

  #take(nextNumber: () => number): Omit<Told, 'comeBack'> {
    const isShared = this.people.isShared(this.#gatewayId);
    for (const userId of this.#shown) this.#untoldShown.add(userId);
    const shown = this.#statesOf(this.#shown);
    const changes: Said = {
      in: [...this.#entered.values()],
      out: [...this.#left],
      at: isShared ? this.#statesOf(this.#untoldShown) : [],
    };
    this.#entered.clear();
    this.#untold.clear();
    this.#left.clear();
    this.#shown.clear();
    if (isShared) this.#untoldShown.clear();
    if (this.phase !== 'open') return { messages: [], shown };
    if (!this.#owesAll && this.#sent > 0) return { messages: this.#cut(changes, {}, nextNumber), shown };
    const all: Said = {
      in: this.people.connections(this.#gatewayId),
      out: [],
      at: this.people.states(this.#gatewayId),
    };
    const ask = this.#owesQuestion;
    this.#owesAll = this.#owesQuestion = false;
    this.#untoldShown.clear();
    return { messages: this.#cut(all, { all: true, ...(ask ? { ask: true } : {}) }, nextNumber), shown };
  }

  #gone(connectionId: string): void {
    this.#movingUntilMs.delete(connectionId);
    this.#entered.delete(connectionId);
    // Who entered in the same tick was never told of.
    if (!this.#untold.delete(connectionId)) this.#left.add(connectionId);
  }

  #takeReplaced(): void {
    for (const { gateway, connectionId, by } of this.people.takeReplaced()) {
      if (gateway === this.#gatewayId) this.#gone(connectionId);
      else if (by === this.#gatewayId) this.#comeBack.push(connectionId);
    }
  }

  #statesOf(userIds: ReadonlySet<string>): SeenState[] {
    return [...userIds].flatMap((userId) => this.people.stateOf(this.#gatewayId, userId) ?? []);
  }

  #cut(said: Said, flags: Pick<PresenceMessage, 'all' | 'ask'>, nextNumber: () => number): PresenceMessage[] {
    const longest = Math.max(said.in.length, said.out.length, said.at.length);
    const parts = Math.max(flags.all ? 1 : 0, Math.ceil(longest / MAX_ITEMS));
    return Array.from({ length: parts }, (_, part) => {
      const cut = <T>(items: readonly T[]) => items.slice(part * MAX_ITEMS, (part + 1) * MAX_ITEMS);
      const [n, p] = [nextNumber(), this.#sent];
      this.#sent = n;
      return {
        n,
        p,
        ...(part === 0 ? flags : {}),
        ...(flags.all && part === parts - 1 ? { end: true } : {}),
        ...listed('in', cut(said.in)),
        ...listed('out', cut(said.out)),
        ...listed('at', cut(said.at)),
      };
    });
  }
}

function listed<K extends string, T>(key: K, items: T[]): Partial<Record<K, T[]>> {
  return items.length === 0 ? {} : ({ [key]: items } as Partial<Record<K, T[]>>);
}
