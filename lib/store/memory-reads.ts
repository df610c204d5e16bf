import type { DocumentId } from '../protocol/ids.ts';
import { addVersion, type VersionRanges } from '../protocol/ranges.ts';
import { isAfter, isPayloadOf, newestOf, pointOf, toStoredUpdate } from './memory-rows.ts';
import type { MemoryTables } from './memory-tables.ts';
import { hasRetryKey, NEW_DOCUMENT } from './plan.ts';
import { PERSISTER_CONSUMER, type LoadRequest, type SenderQuery, type StoredState } from './port.ts';

/** Everything of a document at one moment. */
export function loadState(
  tables: MemoryTables,
  { document, epoch, partition, sinceOffset, fromRows }: LoadRequest,
): StoredState {
  const found = tables.find(document);
  const state = found?.state ?? NEW_DOCUMENT;
  const isBefore = (at: { epoch: number; partition: number }) =>
    at.epoch < epoch || (at.epoch === epoch && at.partition === partition);
  const snapshot =
    sinceOffset === undefined && !fromRows ? newestOf(found, (candidate) => isBefore(candidate)) : undefined;
  const start = snapshot ? pointOf(snapshot) : { epoch: -1, offset: -1 };
  const since = sinceOffset === undefined ? start : { epoch, offset: sinceOffset };
  const rows = (found?.rows ?? []).filter(
    (row) =>
      isPayloadOf(row, state.generation) && isAfter(row, since) && isBefore(row) && !tables.isAside(row),
  );
  return {
    generation: state.generation,
    generationStartOffset: state.generationStart.offset,
    deleted: state.deleted,
    ...(snapshot ? { snapshot: { ...snapshot, data: snapshot.data.slice() } } : {}),
    updates: rows.map(toStoredUpdate),
    storedThrough: tables.nextOffset(PERSISTER_CONSUMER, epoch, partition) - 1,
  };
}

/** Versions of a sender, as the port says it. */
export function appendedVersions(
  tables: MemoryTables,
  { document, generation, sender }: { document: DocumentId; generation: number; sender: SenderQuery },
): VersionRanges {
  const end = { epoch: sender.epoch, offset: sender.throughOffset };
  const ranges: VersionRanges = [];
  const found = tables.find(document);
  if (!found || generation <= found.state.deletedGeneration) return ranges;
  for (const row of found.rows) {
    const isTheirs =
      isPayloadOf(row, generation) &&
      row.update.senderId === sender.senderId &&
      (row.update.userId ?? '') === (sender.userId ?? '');
    if (isTheirs && hasRetryKey(row.update) && !isAfter(row, end))
      addVersion(ranges, row.update.clientVersion);
  }
  return ranges;
}
