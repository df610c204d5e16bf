import { AppError } from '../../errors.ts';
import type { DeliveredRecord, RecordBatch, TopicPartition } from '../port.ts';
import type { Cursor } from './cursor.ts';
import type { LogStore, PartitionRow, ReadBounds } from './log-store.ts';
import type { DroppableRing } from './droppable-ring.ts';

/** One partition: its range of offsets, who reads its tail, and its records that are in memory only. */
export class PartitionLog implements TopicPartition {
  readonly topic: string;
  readonly partition: number;
  readonly id: number;
  readonly cursors = new Set<Cursor>();
  startOffset: number;
  nextOffset: number;
  reservedOffset: number;
  /** The last offset that is known to be in the file. */
  heldThrough: number;
  readonly #file: Pick<LogStore, 'range'>;
  readonly #ring: DroppableRing;

  constructor(
    topic: string,
    row: PartitionRow,
    parts: { file: Pick<LogStore, 'range'>; ring: DroppableRing },
  ) {
    this.topic = topic;
    this.partition = row.partition;
    this.id = row.id;
    this.startOffset = row.startOffset;
    this.reservedOffset = row.reservedOffset;
    this.heldThrough = row.lastOffset;
    // A trimmed partition may have no record left; its offsets go on all the same.
    this.nextOffset = Math.max(row.lastOffset + 1, row.startOffset, row.reservedOffset);
    this.#file = parts.file;
    this.#ring = parts.ring;
  }

  /** Hands records that are in the log now to everyone who reads the tail. */
  deliver(records: readonly DeliveredRecord[]): void {
    const firstOffset = this.nextOffset;
    this.nextOffset = records.at(-1)!.offset + 1;
    for (const cursor of this.cursors) cursor.push(firstOffset, records);
  }

  /** What a file that was opened again says; `unheard` are its records from `nextOffset` on. */
  takeOver(row: PartitionRow, unheard: readonly DeliveredRecord[]): void {
    this.startOffset = row.startOffset;
    this.reservedOffset = row.reservedOffset;
    this.heldThrough = row.lastOffset;
    if (unheard.length > 0) this.deliver(unheard);
  }

  /** The records of [from, to), within the bounds; STREAM_OFFSET_OUT_OF_RANGE when `from` is not in the log. */
  async read(from: number, to: number, bounds: ReadBounds): Promise<RecordBatch> {
    this.requireInRange(from);
    const { records, complete } = await this.#file.range({ partitionId: this.id, from, to }, bounds);
    const nextOffset = complete ? to : records.at(-1)!.offset + 1;
    const droppable = this.#ring.range(this, from, nextOffset);
    if (droppable.length > 0) {
      records.push(...droppable);
      records.sort((a, b) => a.offset - b.offset);
    }
    const { topic, partition } = this;
    return { topic, partition, fetchOffset: from, nextOffset, records };
  }

  requireInRange(offset: number): void {
    if (offset >= this.startOffset && offset <= this.nextOffset) return;
    const { topic, partition, startOffset, nextOffset } = this;
    throw new AppError('STREAM_OFFSET_OUT_OF_RANGE', {
      data: { topic, partition, offset, startOffset, endOffset: nextOffset },
    });
  }
}
