import type { Logger } from '../log.ts';
import {
  decodePresenceMessage,
  encodePresenceMessage,
  numberOfMessage,
  type PresenceMessage,
} from '../presence/messages.ts';
import type { PresenceBus, PresenceBusEvents } from '../presence/bus.ts';
import { ProtocolMessageType } from '../protocol/message-types.ts';
import type { DeliveredRecord, Stream, TopicPartition } from '../stream/port.ts';
import type { RoomOfTenant, TopicResolver } from '../stream/topics.ts';
import type { Appender } from './appender.ts';
import type { AwarenessChannel, AwarenessGuest } from './awareness-channel.ts';
import { ByPartition } from './by-partition.ts';
import { RecordHeader } from './record-headers.ts';

export interface PresenceTopicParts {
  channel: Pick<AwarenessChannel, 'host' | 'follow' | 'release' | 'isSilent'>;
  stream: Pick<Stream, 'identity'>;
  appender: Pick<Appender, 'append'>;
  topics: TopicResolver;
  logger: Logger;
  gatewayId: string;
  events: PresenceBusEvents;
}

/** No document has an empty id, so no document has such a key. */
const KEY_PREFIX = 'presence//';

/** Presence as records among those of the awareness of the room: the same partition, the same beats. Never stored. */
export class PresenceTopic implements PresenceBus, AwarenessGuest {
  readonly keyPrefix = KEY_PREFIX;
  readonly #parts: PresenceTopicParts;
  readonly #open = new Map<string, RoomOfTenant>();
  /** Keys of the open rooms. */
  readonly #byPartition = new ByPartition<string>();
  readonly #alwaysThere: ReadonlySet<string>;
  /** Appends to topics that may be missing, one after the other. */
  #queue: Promise<void> = Promise.resolve();

  constructor(parts: PresenceTopicParts) {
    this.#parts = parts;
    this.#alwaysThere = new Set(parts.topics.staticTopics.map(({ topic }) => topic));
    parts.channel.host(this);
  }

  async open(room: RoomOfTenant): Promise<void> {
    const target = this.#targetOf(room);
    await this.#parts.channel.follow(target);
    this.#open.set(recordKey(room), room);
    this.#byPartition.add(target, recordKey(room));
  }

  close(room: RoomOfTenant): void {
    this.#open.delete(recordKey(room));
    this.#byPartition.delete(this.#targetOf(room), recordKey(room));
    this.#parts.channel.release(this.#targetOf(room));
  }

  publish(room: RoomOfTenant, message: PresenceMessage): void {
    const { topic } = this.#targetOf(room);
    if (this.#alwaysThere.has(topic)) void this.#append(room, message);
    else this.#queue = this.#queue.then(() => this.#appendIfThere(room, message));
  }

  isSilent(room: RoomOfTenant, gateway: string): boolean {
    return this.#parts.channel.isSilent(this.#targetOf(room), gateway);
  }

  onRecord({ key, value }: DeliveredRecord, gateway: string): void {
    const room = this.#open.get(key);
    if (!room) return;
    // Of an own one that has come back nothing but its number is wanted.
    const isOwn = gateway === this.#parts.gatewayId;
    const message = isOwn ? { n: numberOfMessage(value), p: 0 } : decodePresenceMessage(value);
    if (message) this.#parts.events.onMessage(room, gateway, message);
    else this.#parts.logger.warn({ gateway }, 'presence record not readable');
  }

  onGap(target: TopicPartition): void {
    for (const room of this.#roomsOf(target)) this.#parts.events.onGap(room);
  }

  onBeat(target: TopicPartition): void {
    for (const room of this.#roomsOf(target)) this.#parts.events.onBeat(room);
  }

  /** The awareness channel beats. */
  beat(): void {
    return undefined;
  }

  /** What was published is on its way. */
  stop(): Promise<void> {
    return this.#queue;
  }

  /** To be there makes no topics, only to show something does: until then it is said again with the beats. */
  async #appendIfThere(room: RoomOfTenant, message: PresenceMessage): Promise<void> {
    const { stream, logger } = this.#parts;
    try {
      const isThere = (await stream.identity(this.#targetOf(room).topic)) !== undefined;
      if (!isThere && !message.at) return;
    } catch (error) {
      // As if it had been lost on the way.
      return logger.debug({ err: error }, 'presence not appended');
    }
    void this.#append(room, message);
  }

  async #append(room: RoomOfTenant, message: PresenceMessage): Promise<void> {
    const { appender, topics, gatewayId, logger } = this.#parts;
    const record = {
      key: recordKey(room),
      value: encodePresenceMessage(message),
      headers: {
        [RecordHeader.Type]: String(ProtocolMessageType.Awareness),
        [RecordHeader.Gateway]: gatewayId,
      },
    };
    try {
      const spec = () => topics.spec('awareness', room);
      await appender.append(this.#targetOf(room), spec, record, { durability: 'droppable' });
    } catch (error) {
      // What does not come back is said again.
      logger.debug({ err: error }, 'presence not appended');
    }
  }

  #roomsOf(target: TopicPartition): RoomOfTenant[] {
    return this.#byPartition.of(target).flatMap((key) => this.#open.get(key) ?? []);
  }

  #targetOf(room: RoomOfTenant): TopicPartition {
    return this.#parts.topics.target('awareness', room);
  }
}

function recordKey({ tenantId, roomId }: RoomOfTenant): string {
  return `${KEY_PREFIX}${encodeURIComponent(tenantId)}/${encodeURIComponent(roomId)}`;
}
