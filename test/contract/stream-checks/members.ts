import type { BatchContext, GroupMember, RecordBatch, TopicPartition } from '../../../lib/stream/port.ts';
import { textOf, type World } from './harness.ts';

/**
 * What several members of a group share, as the persister's database does: where each partition stands. A batch
 * counts only if it begins exactly there; else the member is sent to where it should be.
 */
export class Ledger {
  readonly positions = new Map<string, number>();
  readonly texts: string[] = [];
  /** Fetch offsets of all batches that came, by partition. */
  readonly fetched = new Map<string, number[]>();
  readonly asked = new Set<string>();
  overlapped = false;
  readonly #busy = new Set<string>();

  positionOf(partition: TopicPartition): number {
    return this.positions.get(keyOf(partition)) ?? 0;
  }

  /** Takes a batch as the database would; `work` runs before the position moves. */
  async take(batch: RecordBatch, work?: () => Promise<void> | void): Promise<number> {
    const key = keyOf(batch);
    this.fetched.set(key, [...(this.fetched.get(key) ?? []), batch.fetchOffset]);
    if (this.#busy.has(key)) this.overlapped = true;
    this.#busy.add(key);
    try {
      await work?.();
      if (this.positionOf(batch) !== batch.fetchOffset) return this.positionOf(batch);
      this.texts.push(...batch.records.map(textOf));
      this.positions.set(key, batch.nextOffset);
      return batch.nextOffset;
    } finally {
      this.#busy.delete(key);
    }
  }
}

export interface MemberOptions {
  group: string;
  topics: readonly string[];
  accepts?: (topic: string) => boolean;
  ledger: Ledger;
  errors?: Error[];
  /** Instead of the ledger's own handling. */
  onBatch?: (batch: RecordBatch, context: BatchContext) => Promise<number>;
}

/** A member that works for the ledger. */
export function consume(world: World, options: MemberOptions): Promise<GroupMember> {
  const { ledger, errors } = options;
  return world.stream.consume({
    group: options.group,
    topics: options.topics,
    ...(options.accepts ? { accepts: options.accepts } : {}),
    startOffset: async (partition) => {
      ledger.asked.add(keyOf(partition));
      return ledger.positionOf(partition);
    },
    onBatch: options.onBatch ?? ((batch) => ledger.take(batch)),
    onError: (error) => void errors?.push(error),
  });
}

export function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}
