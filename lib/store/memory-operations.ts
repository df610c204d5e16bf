import { documentKey, type DocumentId } from '../protocol/ids.ts';
import type { MemoryDocument } from './memory-rows.ts';
import type {
  AcceptedLoss,
  DocumentQuery,
  QuarantinedRecord,
  QuarantinedSummary,
  QuarantineQuery,
  RecordPlace,
  StoredDocument,
} from './operations.ts';
import type { IncomingQuarantine } from './port.ts';

export interface MemoryQuarantined extends IncomingQuarantine {
  epoch: number;
  partition: number;
  atMs: number;
  replayedAtMs?: number;
}

const HEAD_BYTES = 64;

export function compare(a: RecordPlace, b: RecordPlace): number {
  return a.epoch - b.epoch || a.partition - b.partition || a.offset - b.offset;
}

export function listOf(records: readonly MemoryQuarantined[], query: QuarantineQuery): QuarantinedSummary[] {
  const { limit, after, documentKey: key, replayed = false } = query;
  return records
    .filter((record) => !after || compare(record, after) > 0)
    .filter((record) => key === undefined || (record.document && documentKey(record.document) === key))
    .filter((record) => replayed || record.replayedAtMs === undefined)
    .sort(compare)
    .slice(0, limit)
    .map(toSummary);
}

export function toRecord(record: MemoryQuarantined): QuarantinedRecord {
  return { ...toSummary(record), headers: { ...record.headers }, value: record.value.slice() };
}

function toSummary(record: MemoryQuarantined): QuarantinedSummary {
  const { epoch, partition, offset, reason, key, value, document, atMs, replayedAtMs } = record;
  return {
    epoch,
    partition,
    offset,
    reason,
    key,
    bytes: value.byteLength,
    head: value.slice(0, HEAD_BYTES),
    atMs,
    ...(document ? { documentKey: documentKey(document) } : {}),
    ...(replayedAtMs === undefined ? {} : { replayedAtMs }),
  };
}

export function newestLosses(losses: readonly AcceptedLoss[], limit: number): AcceptedLoss[] {
  return [...losses].reverse().slice(0, limit);
}

/** The documents in the order in which they were made; their id is their place in it. */
export function documentsOf(documents: Iterable<MemoryDocument>, query: DocumentQuery): StoredDocument[] {
  const { limit, afterId = 0, tenantId, roomId } = query;
  const isWanted = (document: DocumentId) =>
    (tenantId === undefined || document.tenantId === tenantId) &&
    (roomId === undefined || document.roomId === roomId);
  return [...documents]
    .map(({ document, epoch, partition, state }, n) => ({ id: n + 1, document, epoch, partition, state }))
    .filter(({ id, document, state }) => id > afterId && !state.deleted && isWanted(document))
    .slice(0, limit)
    .map(({ id, document, epoch, partition }) => ({ id, document, epoch, partition }));
}
