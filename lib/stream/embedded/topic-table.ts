import { AppError } from '../../errors.ts';
import type { TopicIdentity, TopicPartition, TopicSpec } from '../port.ts';
import type { DroppableRing } from './droppable-ring.ts';
import type { LogStore, TopicRow } from './log-store.ts';
import { PartitionLog } from './partition-log.ts';

interface Topic {
  identity: TopicIdentity;
  partitions: PartitionLog[];
}

export interface TopicTableParts {
  file: Pick<LogStore, 'clusterId' | 'topics' | 'insertTopics' | 'range'>;
  ring: DroppableRing;
  newId: () => string;
  /** Told of each new topic in the same step in which it can be found. */
  onMade?: (topic: string) => void;
}

/** The topics of the file, all in memory. */
export class TopicTable {
  readonly #parts: TopicTableParts;
  readonly #topics = new Map<string, Topic>();
  /** One after the other: two that make the same topic at once would both find it missing. */
  #making: Promise<unknown> = Promise.resolve();

  constructor(parts: TopicTableParts) {
    this.#parts = parts;
    for (const row of parts.file.topics) this.#add(row);
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

  /** Makes what is missing, all or nothing. STREAM_PARTITIONS_CHANGED for a wrong count. */
  async ensure(specs: readonly TopicSpec[]): Promise<void> {
    if (this.#missing(specs).length === 0) return;
    const made = this.#making.then(() => this.#make(specs));
    // The failure is for whoever asked; the next one begins all the same.
    this.#making = made.catch(() => undefined);
    await made;
  }

  async #make(specs: readonly TopicSpec[]): Promise<void> {
    const missing = this.#missing(specs);
    if (missing.length === 0) return;
    const { file, newId } = this.#parts;
    const rows = await file.insertTopics(
      missing.map(({ topic, kind, partitions }) => ({ name: topic, topicId: newId(), kind, partitions })),
    );
    for (const row of rows) this.adopt(row);
  }

  /** Adds a topic of the file, if it is not known yet. */
  adopt(row: TopicRow): void {
    if (this.#topics.has(row.name)) return;
    this.#add(row);
    this.#parts.onMade?.(row.name);
  }

  #missing(specs: readonly TopicSpec[]): TopicSpec[] {
    for (const spec of specs) this.#requirePartitions(spec);
    const missing = new Map<string, TopicSpec>();
    for (const spec of specs) if (!this.#topics.has(spec.topic)) missing.set(spec.topic, spec);
    return [...missing.values()];
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
