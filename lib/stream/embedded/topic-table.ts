import { AppError } from '../../errors.ts';
import type { TopicIdentity, TopicPartition, TopicSpec } from '../port.ts';
import type { DroppableRing } from './droppable-ring.ts';
import type { LogFile, TopicRow } from './log-file.ts';
import { PartitionLog } from './partition-log.ts';

interface Topic {
  identity: TopicIdentity;
  partitions: PartitionLog[];
}

export interface TopicTableParts {
  file: LogFile;
  ring: DroppableRing;
  newId: () => string;
}

/** The topics of the file, all in memory. */
export class TopicTable {
  readonly #parts: TopicTableParts;
  readonly #topics = new Map<string, Topic>();

  constructor(parts: TopicTableParts) {
    this.#parts = parts;
    for (const row of parts.file.topics()) this.#add(row);
  }

  names(): string[] {
    return [...this.#topics.keys()];
  }

  identity(topic: string): TopicIdentity | undefined {
    return this.#topics.get(topic)?.identity;
  }

  *partitions(): Generator<PartitionLog> {
    for (const topic of this.#topics.values()) yield* topic.partitions;
  }

  partitionsOf(topic: string): readonly PartitionLog[] {
    return this.#topics.get(topic)?.partitions ?? [];
  }

  /** Undefined when the topic is missing, BAD_INPUT when it has no such partition. */
  find({ topic, partition }: TopicPartition): PartitionLog | undefined {
    const found = this.#topics.get(topic);
    if (!found) return undefined;
    const log = found.partitions[partition];
    if (!log) throw noSuchPartition({ topic, partition });
    return log;
  }

  /** STREAM_TOPIC_MISSING when there is none. */
  require(partition: TopicPartition): PartitionLog {
    const log = this.find(partition);
    if (!log) throw new AppError('STREAM_TOPIC_MISSING', { data: { topic: partition.topic } });
    return log;
  }

  /** Makes what is missing, all or nothing; the names of the new ones. STREAM_PARTITIONS_CHANGED for a wrong count. */
  ensure(specs: readonly TopicSpec[]): string[] {
    for (const spec of specs) this.#requirePartitions(spec);
    const missing = new Map<string, TopicSpec>();
    for (const spec of specs) if (!this.#topics.has(spec.topic)) missing.set(spec.topic, spec);
    if (missing.size === 0) return [];
    const { file, newId } = this.#parts;
    const rows = file.transaction(() =>
      [...missing.values()].map(({ topic, kind, partitions }) =>
        file.insertTopic({ name: topic, topicId: newId(), kind, partitions }),
      ),
    );
    for (const row of rows) this.#add(row);
    return rows.map((row) => row.name);
  }

  #requirePartitions({ topic, partitions }: TopicSpec): void {
    const found = this.#topics.get(topic)?.identity.partitions;
    if (found === undefined || found === partitions) return;
    throw new AppError('STREAM_PARTITIONS_CHANGED', {
      message: `The topic ${topic} has ${found} partitions, not the ${partitions} that are configured.`,
      data: { topic, found, expected: partitions },
    });
  }

  #add(row: TopicRow): void {
    const { file, ring } = this.#parts;
    this.#topics.set(row.name, {
      identity: {
        topic: row.name,
        topicId: row.topicId,
        clusterId: file.clusterId,
        partitions: row.partitions.length,
      },
      partitions: row.partitions.map((partition) => new PartitionLog(row.name, partition, { file, ring })),
    });
  }
}

export function noSuchPartition({ topic, partition }: TopicPartition): AppError {
  return new AppError('BAD_INPUT', { message: `${topic} has no partition ${partition}.` });
}
