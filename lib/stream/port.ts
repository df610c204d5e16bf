/**
 * The log. A record is at one (topic, partition, offset) for ever; offsets grow but may have holes.
 * Adapters: kafka.ts, embedded.ts; test/contract/stream.suite.ts holds what every adapter must do.
 * Errors are AppError STREAM_*; retryable ones mean that the same call may succeed later.
 */
export interface StreamRecord {
  /** documentKey for doc and awareness topics; the partition is always chosen by the caller. */
  key: string;
  value: Uint8Array;
  headers: Readonly<Record<string, string>>;
}

export interface DeliveredRecord extends StreamRecord {
  offset: number;
  /** Milliseconds since 1970, by the clock of the log: for display only. */
  timestampMs: number;
}

export interface TopicPartition {
  topic: string;
  partition: number;
}

export interface RecordBatch extends TopicPartition {
  /** The offset that was asked for: the first record may lie behind a hole. */
  fetchOffset: number;
  /** Where reading goes on; beyond the last record when the log has holes there. */
  nextOffset: number;
  /** In offset order; may be empty when only holes were passed. */
  records: DeliveredRecord[];
}

/** Identity of a topic; a topic that was made again has another `topicId`. */
export interface TopicIdentity {
  topic: string;
  topicId: string;
  clusterId: string;
  partitions: number;
}

/** When a log forgets records. */
export interface TopicRetention {
  retentionMs?: number;
  /** Of one partition. */
  retentionBytes?: number;
  /** Records are forgotten together with those that came up to so much later. */
  segmentMs?: number;
}

export type TopicKind = 'doc' | 'awareness' | 'control';

export interface TopicSpec {
  topic: string;
  kind: TopicKind;
  partitions: number;
}

export interface AppendOptions {
  /** log: durable when resolved (acks=all). droppable: best effort, may be lost (awareness). Default log. */
  durability?: 'log' | 'droppable';
}

export interface Follow {
  /** Resolves when no further batch will be delivered. Idempotent. */
  stop(): Promise<void>;
}

export interface GroupMember extends Follow {
  /** Whether the partition is this member's now. */
  isAssigned(partition: TopicPartition): boolean;
}

export interface FollowRequest extends TopicPartition {
  /** The first offset wanted: 0 = the earliest, 'end' = what is appended after the returned promise resolves. */
  fromOffset: number | 'end';
  /** Which topic is meant: of another one under the name nothing is delivered, but STREAM_IDENTITY_CHANGED. */
  topicId?: string;
  /** Awaited: the next batch of this partition comes after it. Must not throw. */
  onBatch: (batch: RecordBatch) => void | Promise<void>;
  /**
   * Told about what needs a decision: STREAM_OFFSET_OUT_OF_RANGE, STREAM_IDENTITY_CHANGED (the follow has ended),
   * or, with `retrying: true`, an outage that it will overcome by itself.
   */
  onError?: (error: Error, state: { retrying: boolean }) => void;
}

export interface StartedFollow extends Follow {
  /** The first offset that can be delivered. */
  readonly startOffset: number;
  /** Identity of the topic that is followed, once it is known; only of a log whose topics can be made again. */
  readonly topicId?: string | undefined;
}

export interface BatchContext {
  /** Keeps the group membership during long work. */
  heartbeat(): Promise<void>;
  /** True once the partition may belong to another member: stop working on the batch. */
  isStale(): boolean;
}

export interface ConsumeRequest {
  group: string;
  /** Topics to share; the adapter adds those that `topics()` announces later and `accepts`. */
  topics: readonly string[];
  accepts?: (topic: string) => boolean;
  /**
   * How long new records may wait for others with which they are handed out together: work with a cost for each batch
   * becomes cheaper, and comes later. Default: as soon as they are there.
   */
  collectMs?: number;
  /**
   * Where a partition begins when it has just been assigned: the consumer's own stored position. With the identity of
   * the topic that will be read, where topics can be made again.
   */
  startOffset: (partition: TopicPartition, topicId?: string) => Promise<number>;
  /**
   * Resolves with the offset to go on with: `batch.nextOffset` when all was done (it is then committed), another one
   * to seek. A rejection is an infrastructure failure: the same batch comes again after a pause; nothing is skipped.
   */
  onBatch: (batch: RecordBatch, context: BatchContext) => Promise<number>;
  onError?: (error: Error) => void;
}

export interface ReadRequest extends TopicPartition {
  fromOffset: number;
  /** Exclusive: reading ends when the fetch offset has reached it. */
  toOffset: number;
  /** Fails with STORE_BEHIND when the records would be more. */
  maxBytes: number;
}

export interface Stream {
  /** Makes the topics that are missing, checks the partition count of those that exist. */
  ensureTopics(specs: readonly TopicSpec[]): Promise<void>;
  /** Undefined when there is no such topic. */
  identity(topic: string): Promise<TopicIdentity | undefined>;
  /** Names of all topics that exist now. */
  listTopics(): Promise<string[]>;
  /** Calls back for topics that appear after the call, made by anybody; at the latest after the poll interval. */
  topics(onTopic: (topic: string) => void): Follow;
  /**
   * Appends in order; resolves with the offset of each when all are durable. Calls for one partition are
   * appended in call order. On STREAM_APPEND_FAILED it is not known whether the records are in the log.
   * A value is not copied: who appends it, and who is given it, leaves it unchanged.
   */
  append(
    target: TopicPartition,
    records: readonly StreamRecord[],
    options?: AppendOptions,
  ): Promise<number[]>;
  /**
   * Broadcast reading without a group: every follower sees every record. Of a missing topic it resolves at once
   * (startOffset 0) and delivers from the first record when the topic is there. An offset that the log does not
   * hold (trimmed, or beyond its end) goes to onError.
   */
  follow(request: FollowRequest): Promise<StartedFollow>;
  /** Work sharing: each partition at one member of the group, manual commit, from EARLIEST when nothing is stored. */
  consume(request: ConsumeRequest): Promise<GroupMember>;
  /** The offset that the next record gets at the least (log end). 0 when the topic is missing. */
  endOffset(partition: TopicPartition): Promise<number>;
  /** The first offset that is still there. 0 when the topic is missing. */
  startOffset(partition: TopicPartition): Promise<number>;
  /** The records of a range, at once. STREAM_OFFSET_OUT_OF_RANGE when its beginning has been trimmed. */
  read(request: ReadRequest): Promise<RecordBatch>;
  /**
   * Only of a log without a retention of its own: deletes what lies below `beforeOffset`, which the caller knows to
   * be stored. Whoever asks for it afterwards gets STREAM_OFFSET_OUT_OF_RANGE. Idempotent.
   */
  trim?(partition: TopicPartition, beforeOffset: number): Promise<void>;
  /**
   * Only of a log with a retention of its own: what the topic's settings are now; a limit that is left out does not
   * exist. Undefined when there is no such topic.
   */
  retention?(topic: string): Promise<TopicRetention | undefined>;
  /** Whether the log answers now, within the time given. */
  ping(timeoutMs: number): Promise<boolean>;
  /** Flushes what is being appended, then releases everything. Idempotent. */
  close(): Promise<void>;
}
