import { AppError } from '../errors.ts';
import type { DocumentId } from '../protocol/ids.ts';
import { compare } from './memory-operations.ts';
import { isAfter } from './memory-rows.ts';
import type { MemoryTables } from './memory-tables.ts';
import { INAPPLICABLE, type RecordPlace, type ReplayResult } from './operations.ts';
import { quarantineUpdate } from './plan.ts';
import { PERSISTER_CONSUMER, type IncomingUpdate } from './port.ts';
import { isStorableJson } from './text.ts';

/** As the port says it. */
export function quarantineStored(
  tables: MemoryTables,
  document: DocumentId,
  places: readonly RecordPlace[],
): number {
  const found = tables.find(document);
  const before = tables.quarantined.length;
  for (const place of places) {
    const row = found?.rows.find((candidate) => compare(candidate, place) === 0 && !candidate.repeatOf);
    if (!row || !found || tables.quarantinedAt(place)) continue;
    const { epoch, partition, update } = row;
    const record = quarantineUpdate(update, { reason: INAPPLICABLE, state: found.state });
    tables.quarantined.push({ ...record, epoch, partition, atMs: tables.nowMs() });
  }
  return tables.quarantined.length - before;
}

/** As the port says it. */
export function replayQuarantined(
  tables: MemoryTables,
  place: RecordPlace,
  update: IncomingUpdate,
): ReplayResult {
  const { epoch, partition, offset } = place;
  if (!tables.quarantinedAt(place)) return { outcome: 'refused', reason: 'not-quarantined' };
  const found = tables.find(update.document);
  if (tables.stored.has(`${epoch}/${partition}/${offset}`)) {
    const row = found?.rows.find((at) => compare({ ...at, offset: at.update.offset }, place) === 0);
    return { outcome: 'known', isRepeat: row?.repeatOf !== undefined };
  }
  if (!isStorableJson(update.metadata)) throw new AppError('STORE_BAD_DATA', { data: { sqlState: '22P05' } });
  if (found && isAfter(found.state.generationStart, place))
    return { outcome: 'refused', reason: 'stale-generation' };
  const range = { fetchOffset: offset, nextOffset: offset + 1 };
  const records = [{ ...update, offset }];
  const batch = { consumer: PERSISTER_CONSUMER, epoch, partition, ...range, records };
  const plan = tables.planned(batch);
  const [row] = plan.rows;
  if (!row) return { outcome: 'refused', reason: plan.quarantined[0]?.reason ?? 'unknown' };
  tables.apply(batch, plan);
  return { outcome: 'stored', isRepeat: row.repeatOf !== undefined };
}
