import { createClient } from 'redis';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { RoomOfTenant } from '../stream/topics.ts';
import { EMPTY_PRESENCE } from '../protocol/presence.ts';
import { HeardBeats } from './heard-beats.ts';
import { decodePresenceMessage, encodePresenceMessage, type PresenceMessage } from './messages.ts';
import type { PresenceBus, PresenceBusEvents } from './shared-presence.ts';

/*
 * Keys of a room; ids are URI-encoded; `<tenant>:` stands before them unless the tenant is the one of connections that
 * carry none:
 *
 *   board:<room>:presence      hash   user id → JSON { cursor, selection, viewport, lastSeen }
 *   board:<room>:connections   set    connection ids
 *   board:<room>:users         hash   connection id → user id
 *   board:<room>:events        channel of what gateways tell each other (messages.ts), behind their id and a blank
 *
 * `presence:beats` is the channel of the beats: ids of gateways.
 */

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

const BEATS = 'presence:beats';
const CONNECT_TIMEOUT_MS = 5_000;
const MAX_RETRY_MS = 2_000;

/** Removes connections, and the people who have no other one: at one time for everybody, so that none is left over. */
const FORGET = `
for _, id in ipairs(ARGV) do
  local user = redis.call('HGET', KEYS[3], id)
  redis.call('SREM', KEYS[2], id)
  redis.call('HDEL', KEYS[3], id)
  if user then
    local others = false
    for _, other in ipairs(redis.call('HVALS', KEYS[3])) do
      if other == user then others = true break end
    end
    if not others then redis.call('HDEL', KEYS[1], user) end
  end
end`;

type Client = ReturnType<typeof createClient>;

/** Presence in Redis, where other systems can read it; gateways tell each other by its channels. */
export class RedisPresenceBus implements PresenceBus {
  readonly #parts: RedisPresenceParts;
  readonly #client: Client;
  readonly #subscriber: Client;
  readonly #beats: HeardBeats;
  readonly #onBeat = (gateway: string) => {
    this.#heard(gateway);
    if (gateway === this.#parts.gatewayId) this.#parts.events.onBeat();
  };
  #hasComplained = false;

  constructor(parts: RedisPresenceParts) {
    this.#parts = parts;
    const { clock, gatewayId, beatTimeoutMs } = parts;
    this.#beats = new HeardBeats({ own: gatewayId, timeoutMs: beatTimeoutMs, nowMs: clock.now() });
    this.#client = createClient({
      url: parts.url,
      // What cannot be sent now is said again with the beats.
      disableOfflineQueue: true,
      socket: { connectTimeout: CONNECT_TIMEOUT_MS, reconnectStrategy: retryAfterMs },
    });
    this.#subscriber = this.#client.duplicate({ disableOfflineQueue: false });
    for (const client of [this.#client, this.#subscriber])
      client.on('error', (error: unknown) => this.#complain(error));
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
    const { presence, connections, users, events } = this.#keysOf(room);
    const changes = this.#client.multi();
    for (const { connectionId, userId } of message.in ?? []) {
      changes.sAdd(connections, connectionId).hSet(users, connectionId, userId);
      changes.hSetNX(presence, userId, this.#stateText());
    }
    for (const { userId, cursor, selection, viewport, lastSeen } of message.at ?? [])
      changes.hSet(presence, userId, JSON.stringify({ cursor, selection, viewport, lastSeen }));
    if (message.out) changes.eval(FORGET, { keys: [presence, connections, users], arguments: message.out });
    for (const key of [presence, connections, users]) changes.pExpire(key, expireMs);
    const text = new TextDecoder().decode(encodePresenceMessage(message));
    this.#send(changes.publish(events, `${gatewayId} ${text}`).exec());
  }

  isSilent(_room: RoomOfTenant, gateway: string): boolean {
    return this.#beats.isSilent(gateway);
  }

  forget(room: RoomOfTenant, connectionIds: readonly string[]): void {
    if (connectionIds.length === 0) return;
    const { presence, connections, users } = this.#keysOf(room);
    const keys = [presence, connections, users];
    this.#send(this.#client.eval(FORGET, { keys, arguments: [...connectionIds] }));
  }

  beat(): void {
    if (this.#client.isReady) this.#send(this.#client.publish(BEATS, this.#parts.gatewayId));
  }

  async stop(): Promise<void> {
    for (const client of [this.#client, this.#subscriber]) {
      // What was published is still sent; a server that is away is not waited for.
      if (client.isReady) await client.close();
      else client.destroy();
    }
  }

  #receive(room: RoomOfTenant, text: string): void {
    const blank = text.indexOf(' ');
    const gateway = text.slice(0, blank);
    const message = decodePresenceMessage(new TextEncoder().encode(text.slice(blank + 1)));
    this.#heard(gateway);
    if (message) this.#parts.events.onMessage(room, gateway, message);
    else this.#parts.logger.warn({ gateway }, 'presence record not readable');
  }

  #heard(gateway: string): void {
    if (this.#beats.heard(gateway, this.#parts.clock.now())) this.#parts.events.onGap();
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

  #stateText(): string {
    return JSON.stringify({ ...EMPTY_PRESENCE, lastSeen: this.#parts.clock.wallTime() });
  }

  #keysOf({ tenantId, roomId }: RoomOfTenant) {
    const tenant = tenantId === this.#parts.defaultTenant ? '' : `${encodeURIComponent(tenantId)}:`;
    const board = `${tenant}board:${encodeURIComponent(roomId)}`;
    return {
      presence: `${board}:presence`,
      connections: `${board}:connections`,
      users: `${board}:users`,
      events: `${board}:events`,
    };
  }
}

function retryAfterMs(retries: number): number {
  return Math.min(MAX_RETRY_MS, 50 * 2 ** retries);
}
