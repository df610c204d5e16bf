/**
 * Where a document stands in the log. `offset` is the last record covered; -1 = before the first.
 * Positions of one document are ordered within the same generation and epoch only.
 */
export interface Position {
  generation: number;
  epoch: number;
  partition: number;
  offset: number;
}

export function isPosition(value: unknown): value is Position {
  if (typeof value !== 'object' || value === null) return false;
  const p = value as Record<string, unknown>;
  return (
    isCount(p.generation) &&
    isCount(p.epoch) &&
    isCount(p.partition) &&
    (isCount(p.offset) || p.offset === -1)
  );
}

/** True when both lie on the same line: generation, epoch and partition are equal. */
export function isComparable(a: Position, b: Position): boolean {
  return a.generation === b.generation && a.epoch === b.epoch && a.partition === b.partition;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
