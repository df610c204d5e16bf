import { pause } from '../../clock.ts';
import { AppError } from '../../errors.ts';
import type { StreamRecord, TopicPartition } from '../port.ts';
import { AppendBounds } from './append-bounds.ts';
import type { ClusterClient } from './cluster-client.ts';
import { DroppableLane } from './droppable-lane.ts';
import { reasonOf } from './errors.ts';
import { ProducerSlot } from './producer-slot.ts';
import type { KafkaSettings } from './settings.ts';
import { settlesWithin } from './timing.ts';

/** Partitions and lanes that are remembered though nothing is appended there. */
const MAX_IDLE = 5000;
const DRAIN_POLL_MS = 5;
const MIN_CLOSE_MS = 500;

/**
 * The appends that may be lost: beside the others, so that they wait for none of them. All partitions of a topic that
 * have one leader go together; another leader may hang.
 */
export class DroppableAppender {
  readonly #settings: KafkaSettings;
  readonly #cluster: ClusterClient;
  readonly #bounds: AppendBounds;
  readonly #slot: ProducerSlot;
  readonly #lanes = new Map<string, DroppableLane>();
  /** Where the last records of a partition went: the next ones must not overtake them. */
  readonly #lastLanes = new Map<string, DroppableLane>();
  #closed = false;

  constructor(settings: KafkaSettings, cluster: ClusterClient) {
    this.#settings = settings;
    this.#cluster = cluster;
    const { droppableBufferBytes: maxBytes, maxRecordBytes } = settings;
    this.#bounds = new AppendBounds({ maxBytes, maxRecordBytes });
    this.#slot = new ProducerSlot(settings, 'droppable', () => cluster.addresses);
  }

  async append(target: TopicPartition, records: readonly StreamRecord[]): Promise<number[]> {
    if (this.#closed) throw new AppError('STREAM_CLOSED');
    const bytes = this.#bounds.take(records);
    if (records.length === 0) return [];
    return this.#laneOf(target).append({ partition: target.partition, records, bytes });
  }

  /** Waits for what is being appended, at most for the time; what is left is rejected. */
  async close(timeoutMs: number): Promise<void> {
    this.#closed = true;
    const { clock } = this.#settings;
    const deadline = clock.now() + timeoutMs;
    while (this.#bounds.waitingBytes > 0 && clock.now() < deadline) await pause(clock, DRAIN_POLL_MS);
    for (const lane of this.#lanes.values()) lane.rejectAll(new AppError('STREAM_CLOSED'));
    const isClosed = await settlesWithin(
      clock,
      this.#slot.close(),
      Math.max(MIN_CLOSE_MS, deadline - clock.now()),
    );
    if (!isClosed) this.#slot.abandon();
  }

  #laneOf(target: TopicPartition): DroppableLane {
    const key = `${target.topic}/${target.partition}`;
    const last = this.#lastLanes.get(key);
    if (last && !last.isIdle) return last;
    const leader = this.#cluster.knownLeaderOf(target);
    const lane = this.#laneAt(leader === undefined ? key : `${target.topic}@${leader}`, target);
    if (this.#lastLanes.size >= MAX_IDLE) forgetIdle(this.#lastLanes);
    this.#lastLanes.set(key, lane);
    return lane;
  }

  #laneAt(key: string, target: TopicPartition): DroppableLane {
    let lane = this.#lanes.get(key);
    if (lane) return lane;
    if (this.#lanes.size >= MAX_IDLE) forgetIdle(this.#lanes);
    const { clock, appendTimeoutMs } = this.#settings;
    lane = new DroppableLane({
      clock,
      timeoutMs: appendTimeoutMs,
      prepare: () => this.#find(target),
      send: async (records) => {
        try {
          return await this.#slot.sendTogether(target.topic, records);
        } catch (error) {
          // Perhaps it is led by another one now, or is no more.
          this.#cluster.forget(target.topic);
          throw error;
        }
      },
      onTimeout: () => void this.#afterTimeout(target),
      onReleased: (bytes) => this.#bounds.release(bytes),
    });
    this.#lanes.set(key, lane);
    return lane;
  }

  /** A topic that is missing must not come to kafkajs: it would block the metadata of all. */
  async #find(target: TopicPartition): Promise<void> {
    const found = await this.#cluster.retrying(() => this.#cluster.leaderOf(target));
    if (!found) throw new AppError('STREAM_TOPIC_MISSING', { data: { ...target } });
  }

  /** As in Appender: the producer does not come through though the cluster answers. */
  async #afterTimeout({ topic }: TopicPartition): Promise<void> {
    const stuck = this.#slot.current;
    const { logger } = this.#settings;
    logger.debug({ topic }, 'droppable append took too long');
    try {
      await this.#cluster.metadata([topic]);
      this.#slot.renew(stuck);
    } catch (error) {
      logger.debug({ reason: reasonOf(error) }, 'kafka does not answer');
    }
  }
}

function forgetIdle(lanes: Map<string, DroppableLane>): void {
  for (const [key, lane] of lanes) if (lane.isIdle) lanes.delete(key);
}
