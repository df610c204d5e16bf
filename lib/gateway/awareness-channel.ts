import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import { decodeAwarenessUpdate } from '../protocol/awareness.ts';
import { tryDecodeAwareness, tryDecodeEnvelope } from '../protocol/envelope.ts';
import type { DocumentKey } from '../protocol/ids.ts';
import { ProtocolMessageType } from '../protocol/message-types.ts';
import type { NackCode } from '../protocol/nack-codes.ts';
import type { DeliveredRecord, Stream, TopicPartition } from '../stream/port.ts';
import type { TopicResolver } from '../stream/topics.ts';
import type { Appender } from './appender.ts';
import { mayTake } from './awareness-ownership.ts';
import { AwarenessRecords } from './awareness-records.ts';
import { ByPartition } from './by-partition.ts';
import { FollowerPool } from './follower-pool.ts';
import { BEAT_KEY, GatewayBeats } from './gateway-beats.ts';
import type { GatewayMetrics } from './gateway-metrics.ts';
import { Subscription, type HostedDocument } from './hosted-document.ts';
import type { RoomRegistry } from './port.ts';
import { MovedSubscriptions } from './moved-subscriptions.ts';
import { RecordHeader } from './record-headers.ts';
import { shareFrame } from './shared-frame.ts';

export interface AwarenessChannelParts {
  stream: Stream;
  appender: Appender;
  topics: TopicResolver;
  clock: Clock;
  logger: Logger;
  metrics: GatewayMetrics;
  registry: RoomRegistry<HostedDocument>;
  /** Of this process start: a gateway that comes back is another one. */
  gatewayId: string;
  lingerMs: number;
  beatTimeoutMs: number;
  /** The document has changed states to be flushed. */
  onChanged: (document: HostedDocument) => void;
  /** A subscription has other client ids than before. */
  onClientIds?: (subscription: Subscription) => void;
  /** Who announces the client id at any gateway, as far as it is known. */
  announcerOf?: (document: HostedDocument, clientId: number) => string | undefined;
}

/** What else travels on the awareness topics, by the prefix of its keys. */
export interface AwarenessGuest {
  keyPrefix: string;
  onRecord(record: DeliveredRecord, gateway: string): void;
  /** Records of the partition may have been missed, or others may have believed this gateway dead. */
  onGap(target: TopicPartition): void;
  /** The own beat has come back by this partition. */
  onBeat(target: TopicPartition): void;
}

/** Who is there, in every document of this gateway and by the awareness topics of the others. Never stored. */
export class AwarenessChannel {
  readonly #parts: AwarenessChannelParts;
  readonly #pool: FollowerPool;
  readonly #beats: GatewayBeats;
  readonly #records: AwarenessRecords;
  readonly #opened = new Set<HostedDocument>();
  readonly #byPartition = new ByPartition<HostedDocument>();
  /** Those of them that use a follow. */
  readonly #followed = new Set<HostedDocument>();
  readonly #moved: MovedSubscriptions;
  #guest: AwarenessGuest | undefined;

  constructor(parts: AwarenessChannelParts) {
    this.#parts = parts;
    this.#moved = new MovedSubscriptions(parts.beatTimeoutMs);
    this.#pool = new FollowerPool({ ...parts, listenerOf: (target) => this.#listenerOf(target) });
    this.#records = new AwarenessRecords(parts);
    this.#beats = new GatewayBeats({ ...parts, targets: () => this.#pool.targets() });
  }

  /** Begins with the first join of a document: follows its awareness and asks the other gateways. */
  open(document: HostedDocument): void {
    if (this.#opened.has(document)) return;
    this.#opened.add(document);
    this.#byPartition.add(this.#targetOf(document), document);
    this.#followAndAsk(document).catch((error: unknown) => {
      this.#parts.logger.warn({ err: error }, 'awareness not followed');
    });
  }

  /** The document is no longer hosted. */
  close(document: HostedDocument): void {
    // Nobody else would say that they have not come back.
    for (const subscription of this.#moved.takeOf(document))
      this.#records.append(document, document.awareness.removeOwner(subscription));
    this.#forget(document);
    if (this.#followed.delete(document)) this.#pool.release(this.#targetOf(document));
  }

  #forget(document: HostedDocument): void {
    this.#opened.delete(document);
    this.#byPartition.delete(this.#targetOf(document), document);
  }

  /** Takes a client's states; the reason when it is refused. */
  fromClient(subscription: Subscription, update: Uint8Array): NackCode | undefined {
    const states = decodeAwarenessUpdate(update);
    if (!states.ok) return states.failure.code;
    const { document } = subscription;
    for (const state of states.value) {
      const owner = document.awareness.ownerOf(state.clientId);
      const announcer = () => this.#parts.announcerOf?.(document, state.clientId);
      if (!mayTake(state, { subscription, owner, announcer })) return 'FOREIGN_AWARENESS';
      if (!document.awareness.hasRoomFor(subscription, state.clientId)) return 'BAD_AWARENESS';
    }
    for (const state of states.value) document.awareness.apply(state, subscription);
    if (document.awareness.isChanged) this.#parts.onChanged(document);
    return undefined;
  }

  /** All known states, to one that has just got its document or asks for them. */
  sendAll(subscription: Subscription): void {
    const { document } = subscription;
    const states = document.awareness.all();
    if (states.length === 0) return;
    subscription.owesAwareness = !subscription.outbox.offer(
      shareFrame(this.#records.frameOf(document, states)),
    );
  }

  /** The connection has gone or has left: its client ids are removed for everybody. */
  left(subscription: Subscription): void {
    const removed = subscription.document.awareness.removeOwner(subscription);
    if (removed.length > 0) this.#parts.onChanged(subscription.document);
  }

  /** The connection was asked to go on at another gateway: its client ids stay until that has them, or it has not come. */
  moved(subscription: Subscription): void {
    this.#moved.add(subscription, this.#parts.clock.now());
  }

  /** Sends what has changed in this tick: to the subscriptions here, and by the topic to the other gateways. */
  flush(document: HostedDocument): void {
    for (const owner of document.awareness.takeResettled())
      if (owner instanceof Subscription) this.#parts.onClientIds?.(owner);
    const changed = document.awareness.takeChanged();
    if (changed.length === 0) return;
    const local = changed.filter(({ isLocal }) => isLocal);
    if (local.length > 0) this.#records.append(document, local);
    const frame = shareFrame(this.#records.frameOf(document, changed));
    for (const subscription of document.subscriptions) {
      if (!subscription.isLive) continue;
      const isOwn = changed.every(({ clientId }) => document.awareness.ownerOf(clientId) === subscription);
      if (!isOwn && !subscription.outbox.offer(frame)) subscription.owesAwareness = true;
    }
  }

  /** Appends the own beat, by whose return gateways that are silent are known. To be called at the beat interval. */
  beat(): void {
    this.#beats.send();
    for (const subscription of this.#moved.takeLate(this.#parts.clock.now())) this.left(subscription);
    for (const { subscriptions } of this.#opened)
      for (const subscription of subscriptions)
        if (subscription.isLive && subscription.owesAwareness) this.sendAll(subscription);
  }

  /** Hands the guest its records of the partitions that are followed. */
  host(guest: AwarenessGuest): void {
    this.#guest = guest;
  }

  /** Follows a partition, with beats, until `release`. */
  async follow(target: TopicPartition): Promise<void> {
    await this.#pool.acquire(target);
  }

  release(target: TopicPartition): void {
    this.#pool.release(target);
  }

  isSilent(target: TopicPartition, gateway: string): boolean {
    return this.#beats.isSilent(target, gateway);
  }

  stop(): Promise<void> {
    return this.#pool.stop();
  }

  async #followAndAsk(document: HostedDocument): Promise<void> {
    const target = this.#targetOf(document);
    try {
      await this.#pool.acquire(target);
    } catch (error) {
      // There is nothing to give back: the next one who joins tries again.
      this.#forget(document);
      throw error;
    }
    if (!this.#opened.has(document)) return this.#pool.release(target);
    this.#followed.add(document);
    // A topic that does not exist has nobody to ask, and a question makes no topics.
    if ((await this.#parts.stream.identity(target.topic)) === undefined) return;
    this.#records.ask(document);
  }

  #targetOf(document: HostedDocument): TopicPartition {
    return this.#parts.topics.target('awareness', document.id);
  }

  #listenerOf(target: TopicPartition) {
    return {
      onRecord: (record: DeliveredRecord) => this.#receive(target, record),
      // Awareness is renewed by its clients; a gap heals by itself.
      onReset: () => this.#guest?.onGap(target),
    };
  }

  #receive(target: TopicPartition, record: DeliveredRecord): void {
    const gateway = record.headers[RecordHeader.Gateway];
    if (gateway === undefined) return;
    if (this.#beats.heard(target, gateway)) this.#guest?.onGap(target);
    if (this.#guest && record.key.startsWith(this.#guest.keyPrefix))
      return this.#guest.onRecord(record, gateway);
    if (gateway === this.#parts.gatewayId)
      return record.key === BEAT_KEY ? this.#dropSilent(target) : undefined;
    const document = this.#parts.registry.get(record.key as DocumentKey);
    if (!document) return;
    const type = record.headers[RecordHeader.Type];
    if (type === String(ProtocolMessageType.QueryAwareness))
      this.#records.append(document, document.awareness.local());
    else if (type === String(ProtocolMessageType.Awareness))
      this.#takeForeign(document, gateway, record.value);
  }

  /** Forgets the states of gateways that were not heard though the own beats were. */
  #dropSilent(target: TopicPartition): void {
    for (const document of this.#byPartition.of(target)) {
      for (const gateway of document.awareness.gateways()) {
        if (!this.#beats.isSilent(target, gateway)) continue;
        document.awareness.removeOwner(gateway);
        this.#parts.onChanged(document);
      }
    }
    this.#guest?.onBeat(target);
  }

  #takeForeign(document: HostedDocument, gateway: string, value: Uint8Array): void {
    const envelope = tryDecodeEnvelope(value);
    const update = envelope.ok ? tryDecodeAwareness(envelope.value.content) : envelope;
    const states = update.ok ? decodeAwarenessUpdate(update.value) : update;
    if (!states.ok) return this.#parts.logger.warn({ gateway }, 'awareness record not readable');
    for (const state of states.value) document.awareness.apply(state, gateway);
    if (document.awareness.isChanged) this.#parts.onChanged(document);
  }
}
