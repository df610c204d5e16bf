import type { Clock, TimerHandle } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { RoomOfTenant } from '../stream/topics.ts';
import { EMPTY_PRESENCE } from '../protocol/presence.ts';
import { HeardBeats } from './heard-beats.ts';
import {
  decodePresenceMessage,
  encodePresenceMessage,
  numberOfMessage,
  type PresenceMessage,
  type SeenState,
} from './messages.ts';
import { closeRedisClients, openRedisClients, type RedisClient } from './redis-clients.ts';
import {
  BEATS,
  encodeConnection,
  encodeState,
  FORGET,
  KEEP,
  keysOf,
  leaversArgument,
  type Leavers,
  type RoomKeys,
} from './redis-keys.ts';
import type { PresenceBus, PresenceBusEvents } from './bus.ts';

export interface RedisPresenceParts {
  url: string;
  clock: Clock;
  logger: Logger;
  gatewayId: string;
  beatTimeoutMs: number;
  /** The tenant of connections that carry none. */
  defaultTenant: string;
  /** Keys that nobody renews any more go after so long. */
  expireMs: number;
  events: PresenceBusEvents;
}

/** What is shown is written for others to read this often at most; gateways tell each other at once. */
const KEEP_MS = 250;

/** Presence in Redis, where other systems can read it; gateways tell each other by its channels. */
export class RedisPresenceBus implements PresenceBus {
  readonly #parts: RedisPresenceParts;
  readonly #client: RedisClient;
  readonly #subscriber: RedisClient;
  readonly #beats: HeardBeats;
  readonly #onBeat = (gateway: string) => {
    this.#heard(gateway);
    if (gateway === this.#parts.gatewayId) this.#parts.events.onBeat();
  };
  /** Connections of the whole lists that are being sent, by room. */
  readonly #whole = new Map<string, string[]>();
  /** What has to be written of rooms, by room and user. */
  readonly #kept = new Map<string, { keys: RoomKeys; states: Map<string, SeenState> }>();
  #keeping: TimerHandle | undefined;
  #hasComplained = false;

  constructor(parts: RedisPresenceParts) {
    this.#parts = parts;
    const { clock, gatewayId, beatTimeoutMs } = parts;
    this.#beats = new HeardBeats({ own: gatewayId, timeoutMs: beatTimeoutMs, nowMs: clock.now() });
    // What cannot be sent now is said again with the beats.
    const { client, subscriber } = openRedisClients(parts.url, (error) => this.#complain(error));
    this.#client = client;
    this.#subscriber = subscriber;
    this.#subscriber.on('ready', () => {
      this.#hasComplained = false;
      parts.events.onGap();
    });
    const connecting = Promise.all([
      this.#client.connect(),
      this.#subscriber.connect().then(() => this.#subscriber.subscribe(BEATS, this.#onBeat)),
    ]);
    connecting.catch((error: unknown) => this.#complain(error));
  }

  async open(room: RoomOfTenant): Promise<void> {
    await this.#subscriber.subscribe(this.#keysOf(room).events, (text) => this.#receive(room, text));
  }

  close(room: RoomOfTenant): void {
    this.#subscriber.unsubscribe(this.#keysOf(room).events).catch((error: unknown) => {
      this.#parts.logger.debug({ err: error }, 'presence channel not left');
    });
  }

  publish(room: RoomOfTenant, message: PresenceMessage): void {
    const { gatewayId, expireMs } = this.#parts;
    const keys = this.#keysOf(room);
    const { presence, connections, users, events } = keys;
    const changes = this.#client.multi();
    for (const connection of message.in ?? []) {
      const { connectionId, userId } = connection;
      changes.sAdd(connections, connectionId);
      changes.hSet(users, connectionId, encodeConnection(connection, gatewayId));
      changes.hSetNX(presence, userId, this.#emptyState());
    }
    if (message.in || message.all)
      for (const key of [presence, connections, users]) changes.pExpire(key, expireMs);
    const text = new TextDecoder().decode(encodePresenceMessage(message));
    this.#send(changes.publish(events, `${gatewayId} ${text}`).exec());
    if (message.out) this.#forget(keys, { ids: message.out });
    this.#sweep(keys, message);
    if (message.at) this.keep(room, message.at);
  }

  keep(room: RoomOfTenant, states: readonly SeenState[]): void {
    const keys = this.#keysOf(room);
    let kept = this.#kept.get(keys.presence);
    if (!kept) this.#kept.set(keys.presence, (kept = { keys, states: new Map() }));
    for (const state of states) kept.states.set(state.userId, state);
    this.#keeping ??= this.#parts.clock.setTimeout(() => this.#writeKept(), KEEP_MS);
  }

  isSilent(_room: RoomOfTenant, gateway: string): boolean {
    return this.#beats.isSilent(gateway);
  }

  forget(room: RoomOfTenant, connectionIds: readonly string[]): void {
    if (connectionIds.length > 0) this.#forget(this.#keysOf(room), { ids: connectionIds });
  }

  beat(): void {
    if (this.#client.isReady) this.#send(this.#client.publish(BEATS, this.#parts.gatewayId));
  }

  async stop(): Promise<void> {
    this.#writeKept();
    await closeRedisClients([this.#client, this.#subscriber]);
  }

  #writeKept(): void {
    this.#keeping?.cancel();
    this.#keeping = undefined;
    const kept = [...this.#kept.values()];
    this.#kept.clear();
    for (const { keys, states } of kept) {
      const pairs = [...states.values()].flatMap((state) => [state.userId, encodeState(state)]);
      const values = [String(this.#parts.expireMs), ...pairs];
      this.#send(this.#client.eval(KEEP, { keys: [keys.presence], arguments: values }));
    }
  }

  /** With a whole list goes what is left over of this gateway, and of dead ones that nobody else has known here. */
  #sweep(keys: RoomKeys, message: PresenceMessage): void {
    if (message.all) this.#whole.set(keys.users, []);
    const staying = this.#whole.get(keys.users);
    for (const { connectionId } of message.in ?? []) staying?.push(connectionId);
    if (!message.end || !staying) return;
    this.#whole.delete(keys.users);
    this.#forget(keys, { gateways: [this.#parts.gatewayId], staying }, (gateways) => {
      const dead = gateways.filter((gateway) => this.#beats.isGone(gateway));
      if (dead.length > 0) this.#forget(keys, { gateways: dead });
    });
  }

  #forget(
    { presence, connections, users }: RoomKeys,
    leavers: Leavers,
    onGateways?: (gateways: readonly string[]) => void,
  ): void {
    const forgotten = this.#client.eval(FORGET, {
      keys: [presence, connections, users],
      arguments: [leaversArgument(leavers)],
    });
    this.#send(forgotten.then((gateways) => onGateways?.(gateways as unknown as string[])));
  }

  #receive(room: RoomOfTenant, text: string): void {
    const blank = text.indexOf(' ');
    const gateway = text.slice(0, blank);
    const bytes = new TextEncoder().encode(text.slice(blank + 1));
    // Of an own one that has come back nothing but its number is wanted.
    const isOwn = gateway === this.#parts.gatewayId;
    const message = isOwn ? { n: numberOfMessage(bytes), p: 0 } : decodePresenceMessage(bytes);
    this.#heard(gateway);
    if (message) this.#parts.events.onMessage(room, gateway, message);
    else this.#parts.logger.warn({ gateway }, 'presence record not readable');
  }

  #heard(gateway: string): void {
    const { clock, events } = this.#parts;
    if (this.#beats.heard(gateway, clock.now())) events.onGap();
  }

  #send(sent: Promise<unknown>): void {
    // What does not come back is said again.
    sent.catch((error: unknown) => this.#parts.logger.debug({ err: error }, 'presence not sent to Redis'));
  }

  #complain(error: unknown): void {
    if (this.#hasComplained) return;
    this.#hasComplained = true;
    this.#parts.logger.warn({ err: error }, 'Redis is away: presence shows the people of this gateway');
  }

  #emptyState(): string {
    return encodeState({ ...EMPTY_PRESENCE, lastSeen: this.#parts.clock.wallTime() });
  }

  #keysOf(room: RoomOfTenant): RoomKeys {
    return keysOf(room, this.#parts.defaultTenant);
  }
}
