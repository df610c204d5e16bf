import type { DocumentId } from '../protocol/ids.ts';
import type { DocumentState, LogPoint, PlannedRow } from './plan.ts';
import type { GenerationRow, HistoryRow, Snapshot, SnapshotDebt, StoredUpdate } from './port.ts';

export interface MemoryRow extends LogPoint, PlannedRow {
  partition: number;
}

export interface MemoryDocument {
  document: DocumentId;
  state: DocumentState;
  rows: MemoryRow[];
  snapshots: Snapshot[];
  generations: GenerationRow[];
  epoch: number;
  partition: number;
  oldestBehindMs: number;
}

export const isAfter = (a: LogPoint, b: LogPoint) =>
  a.epoch === b.epoch ? a.offset > b.offset : a.epoch > b.epoch;
export const pointOf = (snapshot: Snapshot): LogPoint => ({
  epoch: snapshot.epoch,
  offset: snapshot.throughOffset,
});

export function isPayloadOf(row: MemoryRow, generation: number): boolean {
  return row.repeatOf === undefined && row.update.generation === generation;
}

export function newestOf(
  found: MemoryDocument | undefined,
  isWanted: (snapshot: Snapshot) => boolean,
): Snapshot | undefined {
  return found?.snapshots.findLast(
    (snapshot) => snapshot.generation === found.state.generation && isWanted(snapshot),
  );
}

export function debtOf(
  found: MemoryDocument,
  nowMs: number,
  topics: readonly { topic: string; epoch: number }[],
): SnapshotDebt | undefined {
  const snapshot = newestOf(found, () => true);
  const since = snapshot ? pointOf(snapshot) : { epoch: -1, offset: -1 };
  const rows = found.rows.filter((row) => isPayloadOf(row, found.state.generation) && isAfter(row, since));
  if (rows.length === 0 || found.state.deleted) return undefined;
  const own = topics.find(({ epoch }) => epoch === found.epoch);
  return {
    document: found.document,
    generation: found.state.generation,
    epoch: found.epoch,
    partition: found.partition,
    updates: rows.length,
    bytes: rows.reduce((sum, row) => sum + row.update.payload.byteLength, 0),
    ageMs: nowMs - found.oldestBehindMs,
    snapshotBytes: snapshot?.data.byteLength ?? 0,
    isOfPastEpoch: topics.some(({ topic, epoch }) => topic === own?.topic && epoch > own.epoch),
  };
}

export function toStoredUpdate({ epoch, partition, offset, update, repeatOf }: MemoryRow): StoredUpdate {
  const { senderId, userId, clientVersion } = update;
  const payload = repeatOf ? new Uint8Array() : update.payload;
  const writer = { senderId, ...(userId === undefined ? {} : { userId }) };
  return { epoch, partition, offset, ...writer, clientVersion, payload };
}

export function toHistoryRow(row: MemoryRow): HistoryRow {
  const { generation, atMs, metadata, connectionId, clientAddress } = row.update;
  return {
    ...toStoredUpdate(row),
    generation,
    atMs,
    metadata,
    ...(connectionId === undefined ? {} : { connectionId }),
    ...(clientAddress === undefined ? {} : { clientAddress }),
    ...(row.repeatOf ? { repeatOf: row.repeatOf.offset } : {}),
  };
}

/** At the end, but for a row that was written before its turn. */
export function insertInOrder(rows: MemoryRow[], row: MemoryRow): void {
  let at = rows.length;
  while (at > 0 && isAfter(rows[at - 1]!, row)) at--;
  rows.splice(at, 0, row);
}
