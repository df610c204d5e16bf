import type { Clock, TimerHandle } from '../clock.ts';
import { AppError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { EMPTY_PRESENCE } from '../protocol/presence.ts';
import type { RoomOfTenant } from '../stream/topics.ts';
import { HeardBeats } from './heard-beats.ts';
import type { Person } from './port.ts';
import { sliceOf, type PeopleSlice, type PeopleWindow, type PresenceReader } from './reader.ts';
import { closeRedisClients, openRedisClients, type RedisClient } from './redis-clients.ts';
import { BEATS, decodeConnection, decodeState, keysOf, type KeptConnection } from './redis-keys.ts';

export interface RedisReaderParts {
  url: string;
  clock: Clock;
  logger: Logger;
  /** Of this process start; it beats beside the gateways, since only who hears itself may take others for dead. */
  id: string;
  beatIntervalMs: number;
  beatTimeoutMs: number;
  /** The tenant of connections that carry none. */
  defaultTenant: string;
}

const ANSWER_LIMIT_MS = 1_500;

/** Reads what the gateways keep in Redis, without the connections of those that are dead. */
export class RedisPresenceReader implements PresenceReader {
  readonly #parts: RedisReaderParts;
  readonly #client: RedisClient;
  readonly #subscriber: RedisClient;
  readonly #beats: HeardBeats;
  #timer: TimerHandle | undefined;
  #hasComplained = false;

  constructor(parts: RedisReaderParts) {
    this.#parts = parts;
    const { clock, id, beatTimeoutMs } = parts;
    this.#beats = new HeardBeats({ own: id, timeoutMs: beatTimeoutMs, nowMs: clock.now() });
    const { client, subscriber } = openRedisClients(parts.url, (error) => this.#complain(error));
    this.#client = client;
    this.#subscriber = subscriber;
    subscriber.on('ready', () => (this.#hasComplained = false));
    const onBeat = (gateway: string) => void this.#beats.heard(gateway, clock.now());
    const connecting = [
      client.connect(),
      subscriber.connect().then(() => subscriber.subscribe(BEATS, onBeat)),
    ];
    Promise.all(connecting).catch((error: unknown) => this.#complain(error));
    this.#beat();
  }

  async people(room: RoomOfTenant, window: PeopleWindow): Promise<PeopleSlice> {
    const { presence, users } = keysOf(room, this.#parts.defaultTenant);
    const [kept, states] = await this.#inTime(
      Promise.all([this.#client.hVals(users), this.#client.hGetAll(presence)]),
    );
    const people = new Map<string, Person>();
    for (const { userId, user } of this.#living(kept)) {
      const known = people.get(userId);
      if (known) known.connections++;
      else people.set(userId, { userId, user, connections: 1, clients: [], ...stateOf(states[userId]) });
    }
    return sliceOf([...people.values()], window);
  }

  async count(rooms: readonly RoomOfTenant[]): Promise<number[]> {
    const kept = await this.#inTime(
      Promise.all(rooms.map((room) => this.#client.hVals(keysOf(room, this.#parts.defaultTenant).users))),
    );
    return kept.map((texts) => new Set(this.#living(texts).map(({ userId }) => userId)).size);
  }

  stop(): Promise<void> {
    this.#timer?.cancel();
    return closeRedisClients([this.#client, this.#subscriber]);
  }

  #living(kept: readonly string[]): KeptConnection[] {
    return kept.flatMap((text) => {
      const connection = decodeConnection(text);
      return connection && !this.#beats.isGone(connection.gateway) ? [connection] : [];
    });
  }

  #beat(): void {
    const { clock, beatIntervalMs, id, logger } = this.#parts;
    this.#timer = clock.setTimeout(() => this.#beat(), beatIntervalMs);
    if (!this.#client.isReady) return;
    this.#client.publish(BEATS, id).catch((error: unknown) => {
      // The next one tries again.
      logger.debug({ err: error }, 'presence not sent to Redis');
    });
  }

  #inTime<T>(answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const refuse = (cause?: unknown) => {
        timer.cancel();
        const message = 'Who is there cannot be told now.';
        reject(new AppError('SERVICE_UNAVAILABLE', { message, ...(cause === undefined ? {} : { cause }) }));
      };
      const timer = this.#parts.clock.setTimeout(refuse, ANSWER_LIMIT_MS);
      answer.then((value) => {
        timer.cancel();
        resolve(value);
      }, refuse);
    });
  }

  #complain(error: unknown): void {
    if (this.#hasComplained) return;
    this.#hasComplained = true;
    this.#parts.logger.warn({ err: error }, 'Redis is away: who is there cannot be told');
  }
}

function stateOf(text: string | undefined) {
  const state = text === undefined ? undefined : decodeState(text);
  return state ?? { ...EMPTY_PRESENCE, lastSeen: 0 };
}
