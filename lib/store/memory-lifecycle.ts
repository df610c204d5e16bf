import type { MemoryDocument } from './memory-rows.ts';
import type { GenerationRow, IncomingBarrier, RemovedContent } from './port.ts';

const NOTHING: RemovedContent = Object.freeze({ rows: 0, bytes: 0, snapshots: 0, quarantined: 0 });

export function toGenerationRow(
  { generation, reason, offset, origin }: IncomingBarrier,
  place: { epoch: number; partition: number },
): GenerationRow {
  const removed = { ...NOTHING };
  return { generation, reason, ...place, offset, ...origin, ...(reason === 'deleted' ? { removed } : {}) };
}

/** Takes away at most `maxRows` rows, and the snapshots, of the generations that a deletion ended. */
export function removeOf(
  found: MemoryDocument,
  { deletion, maxRows }: { deletion: GenerationRow; maxRows: number },
): RemovedContent {
  const removed = { ...NOTHING };
  found.rows = found.rows.filter((row) => {
    if (row.update.generation > deletion.generation || removed.rows >= maxRows) return true;
    removed.rows++;
    removed.bytes += row.repeatOf ? 0 : row.update.payload.byteLength;
    return false;
  });
  const before = found.snapshots.length;
  found.snapshots = found.snapshots.filter(({ generation }) => generation > deletion.generation);
  removed.snapshots = before - found.snapshots.length;
  return removed;
}

export function addRemoved(total: RemovedContent, step: RemovedContent): void {
  total.rows += step.rows;
  total.bytes += step.bytes;
  total.snapshots += step.snapshots;
  total.quarantined += step.quarantined;
  if (step.completedAtMs !== undefined) total.completedAtMs = step.completedAtMs;
}

export function copyOf(row: GenerationRow): GenerationRow {
  return row.removed ? { ...row, removed: { ...row.removed } } : { ...row };
}
