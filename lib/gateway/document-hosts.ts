import type { Clock, TimerHandle } from '../clock.ts';
import type { Logger } from '../log.ts';
import { documentKey, type DocumentId, type DocumentKey } from '../protocol/ids.ts';
import type { DeliveredRecord, Stream, TopicPartition } from '../stream/port.ts';
import type { TopicResolver } from '../stream/topics.ts';
import { DocumentLog } from './document-log.ts';
import { FanOutPace } from './fan-out-pace.ts';
import { FollowerPool, keyOf } from './follower-pool.ts';
import type { GatewayMetrics } from './gateway-metrics.ts';
import { HostedDocument } from './hosted-document.ts';
import type { RoomRegistry } from './port.ts';
import type { RateLimits } from './rate-limits.ts';

export interface DocumentHostsParts {
  stream: Stream;
  topics: TopicResolver;
  clock: Clock;
  logger: Logger;
  metrics: GatewayMetrics;
  registry: RoomRegistry<HostedDocument>;
  rates: RateLimits;
  ringBytes: number;
  /** To all who have one document open; 0 is no limit. */
  documentFramesPerSecond: number;
  /** How long a document without subscriptions keeps its ring, and a partition its follow. */
  lingerMs: number;
  /** The follow has brought something of the document. */
  onEvent: (document: HostedDocument) => void;
  /** The log has begun anew under the document: all its subscriptions need a state. */
  onReset: (document: HostedDocument) => void;
}

/** A join waits this long at most for the follow to reach the end of the log. */
const CATCH_UP_LIMIT_MS = 1_000;

/** Documents of this gateway and the follows that feed them (design rule 4). */
export class DocumentHosts {
  readonly #parts: DocumentHostsParts;
  readonly #pool: FollowerPool;
  readonly #lingers = new Map<DocumentKey, TimerHandle>();

  constructor(parts: DocumentHostsParts) {
    this.#parts = parts;
    this.#pool = new FollowerPool({ ...parts, listenerOf: (target) => this.#listenerOf(target) });
  }

  /**
   * The document, followed from now on at the latest. The caller subscribes at once, or gives it back
   * with `release`. Fails like Stream.follow.
   */
  async host(id: DocumentId): Promise<HostedDocument> {
    const key = documentKey(id);
    const { registry, topics, rates, ringBytes } = this.#parts;
    const hosted = registry.get(key);
    if (hosted) return this.#keep(hosted);
    const target = topics.target('doc', id);
    const follower = await this.#pool.acquire(target);
    const meanwhile = registry.get(key);
    if (meanwhile) {
      this.#pool.release(target);
      return this.#keep(meanwhile);
    }
    const log = new DocumentLog({
      maxBytes: ringBytes,
      partition: target.partition,
      heldAfter: follower.heldAfter,
    });
    const document = new HostedDocument({
      id,
      key,
      target,
      log,
      followedThrough: () => follower.heldAfter,
      topicId: () => follower.topicId,
      catchUp: () => follower.catchUp(CATCH_UP_LIMIT_MS),
      roomRate: rates.room(id),
      pace: new FanOutPace(this.#parts.documentFramesPerSecond),
    });
    registry.add(document);
    return document;
  }

  /** False while the follow of a hosted partition is being made again. */
  get isFollowing(): boolean {
    return this.#pool.isFollowing;
  }

  /** Ends the hosting some time after the last subscription. Call it whenever one has gone; once it has ended, that does nothing. */
  release(document: HostedDocument): void {
    // Its use of the follow has been given back: the follow may be in use for others by now.
    if (this.#parts.registry.get(document.key) !== document) return;
    if (document.size > 0 || this.#lingers.has(document.key)) return;
    const timer = this.#parts.clock.setTimeout(() => {
      this.#lingers.delete(document.key);
      if (document.size > 0) return;
      this.#parts.registry.remove(document);
      this.#pool.release(document.target);
    }, this.#parts.lingerMs);
    this.#lingers.set(document.key, timer);
  }

  async stop(): Promise<void> {
    for (const timer of this.#lingers.values()) timer.cancel();
    this.#lingers.clear();
    await this.#pool.stop();
  }

  #keep(document: HostedDocument): HostedDocument {
    this.#lingers.get(document.key)?.cancel();
    this.#lingers.delete(document.key);
    return document;
  }

  #listenerOf(target: TopicPartition) {
    const { registry, logger, onEvent, onReset } = this.#parts;
    return {
      onRecord: (record: DeliveredRecord) => {
        const document = registry.get(record.key as DocumentKey);
        // A room's records are in one partition only; elsewhere they are nobody's.
        if (!document || document.target.partition !== target.partition) return;
        if (document.target.topic !== target.topic) return;
        const event = document.log.take(record);
        if (event) document.tick.push(event);
        if (event || !document.log.isBased) onEvent(document);
      },
      onReset: (heldAfter: number) => {
        logger.warn({ ...target, heldAfter }, 'follow began anew');
        for (const document of registry.members()) {
          if (keyOf(document.target) !== keyOf(target)) continue;
          document.tick = [];
          document.log.reset(heldAfter);
          onReset(document);
        }
      },
    };
  }
}
