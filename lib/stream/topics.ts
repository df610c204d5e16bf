import type { TopicKind, TopicPartition, TopicSpec } from './port.ts';

export interface RoomOfTenant {
  tenantId: string;
  roomId: string;
}

/** Maps rooms to topics and partitions by the configured template; the same everywhere. */
export interface TopicResolver {
  /** True when one topic holds all rooms of a channel (or of a tenant and channel): N partitions each. */
  readonly sharded: boolean;
  /** Where the records of a room are: topic and murmur2(tenantId/roomId) mod N (0 for room topics). */
  target(kind: 'doc' | 'awareness', room: RoomOfTenant): TopicPartition;
  /** The topic of a room with its partition count, to be made at the first append. */
  spec(kind: 'doc' | 'awareness', room: RoomOfTenant): TopicSpec;
  /** The one topic of commands, one partition. */
  readonly controlTopic: string;
  /** Topics that are made at start. */
  readonly staticTopics: readonly TopicSpec[];
  /** Whether a topic found in the log is one of ours of this kind. */
  isOfKind(kind: TopicKind, topic: string): boolean;
}
