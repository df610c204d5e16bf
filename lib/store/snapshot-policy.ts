import type { SnapshotDebt } from './port.ts';

export interface SnapshotPolicyOptions {
  /** Updates behind the snapshot of a small document. */
  snapshotUpdates: number;
  /** Bytes behind the snapshot of a small document. */
  snapshotBytes: number;
  /** Age of the oldest update behind the snapshot of a small document, in ms. */
  snapshotAgeMs: number;
  /** While the oldest update behind it is younger, BURST times as many updates and bytes are no reason; in ms. */
  snapshotBurstMs: number;
}

/** The part of its own size that a document grows by before its snapshot is written again. */
const GROWTH = 1 / 4;
const BURST = 8;

/**
 * Whether a document's snapshot is due: too many updates, too many bytes, or too old. All three limits grow
 * with the snapshot: `scale = max(1, GROWTH × snapshot size / snapshotBytes)`, so that 50 MB are not written
 * again for every 256 kB. By bytes, the amortised cost is at most 1/GROWTH + 1 = 5 bytes of snapshot (the old
 * size and what came on top) for each byte of updates. By count and by age it is one write of the document for each
 * scale × snapshotUpdates updates, and at most one for each scale × snapshotAgeMs (50 MB: 50 minutes). A document that
 * changes fast is written again after snapshotBurstMs, or BURST times as much: otherwise one room with 1 MB a second
 * keeps the codec, the database and the thread between them busy for all.
 * What a join has to read beside the snapshot stays in proportion to the snapshot.
 */
export class SnapshotPolicy {
  readonly #options: SnapshotPolicyOptions;

  constructor(options: SnapshotPolicyOptions) {
    this.#options = options;
  }

  isDue(debt: SnapshotDebt): boolean {
    if (debt.updates === 0) return false;
    const scale = this.scaleOf(debt.snapshotBytes);
    const { snapshotUpdates, snapshotBytes, snapshotAgeMs, snapshotBurstMs } = this.#options;
    const patience = debt.ageMs < snapshotBurstMs ? BURST * scale : scale;
    return (
      debt.updates >= patience * snapshotUpdates ||
      debt.bytes >= patience * snapshotBytes ||
      debt.ageMs >= scale * snapshotAgeMs
    );
  }

  /** Whether that much for one document is worth asking for its debt; no document's limits are lower. */
  isWorthAsking(added: { updates: number; bytes: number }): boolean {
    return added.updates >= this.#options.snapshotUpdates || added.bytes >= this.#options.snapshotBytes;
  }

  scaleOf(sizeBytes: number): number {
    return Math.max(1, (GROWTH * sizeBytes) / this.#options.snapshotBytes);
  }
}
