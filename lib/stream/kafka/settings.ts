import type { Clock } from '../../clock.ts';
import type { Logger } from '../../log.ts';

export interface KafkaStreamOptions {
  /** host:port each; one that answers is enough. */
  brokers: readonly string[];
  /** Name of this process in the broker's logs and quotas. */
  clientId: string;
  logger: Logger;
  clock: Clock;
  replicationFactor: number;
  minInsyncReplicas: number;
  /** How long doc topics keep records. */
  retentionMs: number;
  /** How long awareness and control topics keep records. */
  ephemeralRetentionMs: number;
  /** Longest value of a record; topics are made so that it fits. */
  maxRecordBytes: number;
  /** Bytes of values that may wait to be appended, all partitions together. */
  producerBufferBytes: number;
  /** Interval in which topics made by others are noticed. */
  topicPollMs: number;
  /**
   * After this an append is rejected as not known durable, together with all that waits behind it in its
   * partition, so that nothing overtakes it.
   */
  appendTimeoutMs: number;
  /** Bytes of droppable values that may wait. Default: an eighth of producerBufferBytes. */
  droppableBufferBytes?: number;
  /**
   * Producers, and so connections, that share the partitions. One waits for each answer before it sends for another
   * partition of the same broker, so with few the latency grows with the number of busy partitions. Connected when
   * first used. Default 16.
   */
  producers?: number;
  /** How long the first contact may take before STREAM_UNAVAILABLE. Default 30 s. */
  connectTimeoutMs?: number;
  /** How long endOffset, read and the like try again before STREAM_UNAVAILABLE. Default 3 s. */
  requestRetryMs?: number;
  /** Pause before a failed piece of work is tried again. Default 250 ms. */
  retryPauseMs?: number;
  /** After this silence a group gives the partitions of a member to others. Default 6 s, the least a broker allows. */
  sessionTimeoutMs?: number;
  /** Most time that `close` takes. Default 10 s. */
  closeTimeoutMs?: number;
}

export type KafkaSettings = Required<KafkaStreamOptions>;

export function withDefaults(options: KafkaStreamOptions): KafkaSettings {
  return {
    droppableBufferBytes: Math.ceil(options.producerBufferBytes / 8),
    producers: 16,
    connectTimeoutMs: 30_000,
    requestRetryMs: 3_000,
    retryPauseMs: 250,
    sessionTimeoutMs: 6_000,
    closeTimeoutMs: 10_000,
    ...options,
  };
}

/** What a record batch adds to the longest record: its head, the record's key and headers. */
const BATCH_ROOM_BYTES = 64 * 1024;

/** `max.message.bytes` of our topics: it bounds the whole batch of a send, not the single record. */
export function maxBatchBytes(settings: Pick<KafkaSettings, 'maxRecordBytes'>): number {
  return settings.maxRecordBytes + BATCH_ROOM_BYTES;
}
