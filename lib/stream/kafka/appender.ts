import { pause } from '../../clock.ts';
import { AppError, isAppError } from '../../errors.ts';
import { murmur2 } from '../partitions.ts';
import type { StreamRecord, TopicPartition } from '../port.ts';
import { AppendBounds } from './append-bounds.ts';
import { AppendLane } from './append-lane.ts';
import type { ClusterClient } from './cluster-client.ts';
import { reasonOf } from './errors.ts';
import { ProducerSlot } from './producer-slot.ts';
import type { KafkaSettings } from './settings.ts';
import { settlesWithin } from './timing.ts';

/** Lanes that are kept though they are idle: a lane that is made again reads the end of its partition first. */
const MAX_IDLE_LANES = 5000;
const DRAIN_POLL_MS = 5;
const MIN_CLOSE_MS = 500;

/** The appends that must not be lost: a lane for each partition over several producers, bounded in bytes. */
export class Appender {
  readonly #settings: KafkaSettings;
  readonly #cluster: ClusterClient;
  readonly #bounds: AppendBounds;
  readonly #slots: readonly ProducerSlot[];
  readonly #lanes = new Map<string, AppendLane>();
  #closed = false;

  constructor(settings: KafkaSettings, cluster: ClusterClient) {
    this.#settings = settings;
    this.#cluster = cluster;
    const { producerBufferBytes: maxBytes, maxRecordBytes, producers } = settings;
    this.#bounds = new AppendBounds({ maxBytes, maxRecordBytes });
    this.#slots = Array.from(
      { length: producers },
      () => new ProducerSlot(settings, 'log', () => cluster.addresses),
    );
  }

  async append(target: TopicPartition, records: readonly StreamRecord[]): Promise<number[]> {
    if (this.#closed) throw new AppError('STREAM_CLOSED');
    const bytes = this.#bounds.take(records);
    if (records.length === 0) return [];
    return this.#lane(target).append(records, bytes);
  }

  /** Waits for what is being appended, at most for the time; what is left is rejected. */
  async close(timeoutMs: number): Promise<void> {
    this.#closed = true;
    const { clock } = this.#settings;
    const deadline = clock.now() + timeoutMs;
    while (this.#bounds.waitingBytes > 0 && clock.now() < deadline) await pause(clock, DRAIN_POLL_MS);
    for (const lane of this.#lanes.values()) lane.rejectAll(new AppError('STREAM_CLOSED'));
    const closed = Promise.all(this.#slots.map((slot) => slot.close()));
    if (await settlesWithin(clock, closed, Math.max(MIN_CLOSE_MS, deadline - clock.now()))) return;
    for (const slot of this.#slots) slot.abandon();
  }

  #lane(target: TopicPartition): AppendLane {
    const key = `${target.topic}/${target.partition}`;
    let lane = this.#lanes.get(key);
    if (lane) return lane;
    if (this.#lanes.size >= MAX_IDLE_LANES) this.#dropIdleLanes();
    const { topic, partition } = target;
    const slot = this.#slots[((murmur2(Buffer.from(topic)) + partition) >>> 0) % this.#slots.length]!;
    lane = new AppendLane({ topic, partition }, this.#laneParts(slot));
    this.#lanes.set(key, lane);
    return lane;
  }

  #laneParts(slot: ProducerSlot) {
    const { clock, appendTimeoutMs } = this.#settings;
    return {
      clock,
      timeoutMs: appendTimeoutMs,
      events: {
        send: (target: TopicPartition, records: readonly StreamRecord[]) => this.#send(slot, target, records),
        prepare: (target: TopicPartition) => this.#prepare(target),
        onTimeout: (target: TopicPartition) => void this.#afterTimeout(slot, target),
        onReleased: (bytes: number) => this.#bounds.release(bytes),
      },
    };
  }

  #dropIdleLanes(): void {
    for (const [key, lane] of this.#lanes) if (lane.isIdle) this.#lanes.delete(key);
  }

  async #send(slot: ProducerSlot, target: TopicPartition, records: readonly StreamRecord[]): Promise<number> {
    try {
      return await slot.send(target, records);
    } catch (error) {
      const fields = { ...target, records: records.length, reason: reasonOf(error) };
      if (!this.#closed) this.#settings.logger.warn(fields, 'append failed; a new producer goes on');
      throw error;
    }
  }

  async #prepare(target: TopicPartition): Promise<void> {
    while (!this.#closed) {
      try {
        if ((await this.#cluster.offset(target, 'end')) !== undefined) return;
        throw new AppError('STREAM_TOPIC_MISSING', { data: { ...target } });
      } catch (error) {
        if (!isAppError(error, 'STREAM_UNAVAILABLE')) throw error;
        // Who waits too long meanwhile has been rejected by the lane.
        await pause(this.#settings.clock, this.#settings.retryPauseMs);
      }
    }
  }

  /**
   * The cluster answers, the producer does not come through: kafkajs goes on asking a leader that hangs although there
   * is another one, and a deleted topic blocks the metadata of all. A new producer does neither. While the cluster is
   * away as a whole a new one would be no better.
   */
  async #afterTimeout(slot: ProducerSlot, target: TopicPartition): Promise<void> {
    const stuck = slot.current;
    this.#settings.logger.warn({ ...target }, 'append took too long; it may still arrive');
    try {
      await this.#cluster.metadata([target.topic]);
      slot.renew(stuck);
    } catch (error) {
      this.#settings.logger.debug({ reason: reasonOf(error) }, 'kafka does not answer');
    }
  }
}
