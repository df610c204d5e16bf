import {
  INAPPLICABLE,
  type QuarantinedRecord,
  type QuarantinedSummary,
  type QuarantineQuery,
  type RecordPlace,
  type ReplayResult,
} from './operations.ts';
import type { DocumentId } from '../protocol/ids.ts';
import { quarantineUpdate } from './plan.ts';
import type { IncomingUpdate } from './port.ts';
import { PERSISTER_CONSUMER } from './port.ts';
import { applyRecords } from './postgres-batch.ts';
import { findDocument } from './postgres-documents.ts';
import type { Sql } from './sql.ts';

interface RawSummary {
  epoch: number;
  partition: number;
  offset: string;
  reason: string;
  document_key: string | null;
  record_key: string;
  bytes: number;
  head: Uint8Array;
  at_ms: string;
  replayed_ms: string | null;
}

interface RawRecord extends RawSummary {
  headers: Record<string, string>;
  value: Uint8Array;
}

const SUMMARY = `epoch, partition, "offset", reason, document_key, record_key, octet_length(value) as bytes,
  substring(value from 1 for 64) as head, round(extract(epoch from at) * 1000)::bigint as at_ms,
  round(extract(epoch from replayed_at) * 1000)::bigint as replayed_ms`;
const AT_PLACE = `epoch = $1 and partition = $2 and "offset" = $3`;

const placeOf = ({ epoch, partition, offset }: RecordPlace) => [epoch, partition, offset];

function toSummary(row: RawSummary): QuarantinedSummary {
  return {
    epoch: row.epoch,
    partition: row.partition,
    offset: Number(row.offset),
    reason: row.reason,
    key: row.record_key,
    bytes: row.bytes,
    head: row.head,
    atMs: Number(row.at_ms),
    ...(row.document_key === null ? {} : { documentKey: row.document_key }),
    ...(row.replayed_ms === null ? {} : { replayedAtMs: Number(row.replayed_ms) }),
  };
}

export async function listQuarantined(sql: Sql, query: QuarantineQuery): Promise<QuarantinedSummary[]> {
  const { limit, after = { epoch: -1, partition: -1, offset: -1 }, documentKey: key, replayed } = query;
  const rows = await sql<RawSummary>(
    `select ${SUMMARY} from quarantined_records
     where (epoch, partition, "offset") > ($1::int, $2::int, $3::bigint)
       and ($4::text is null or document_key = $4) and ($5 or replayed_at is null)
     order by epoch, partition, "offset" limit $6`,
    [...placeOf(after), key ?? null, replayed ?? false, limit],
  );
  return rows.map(toSummary);
}

export async function readQuarantined(sql: Sql, place: RecordPlace): Promise<QuarantinedRecord | undefined> {
  const [row] = await sql<RawRecord>(
    `select ${SUMMARY}, headers, value from quarantined_records where ${AT_PLACE}`,
    placeOf(place),
  );
  return row && { ...toSummary(row), headers: row.headers, value: row.value };
}

export async function replay(
  sql: Sql,
  { place, update }: { place: RecordPlace; update: IncomingUpdate },
): Promise<ReplayResult> {
  // One replay of a record at a time.
  const held = await sql(`select 1 from quarantined_records where ${AT_PLACE} for update`, placeOf(place));
  if (held.length === 0) return { outcome: 'refused', reason: 'not-quarantined' };
  const [known] = await sql<{ repeat_of: string | null }>(
    `select repeat_of from update_history where ${AT_PLACE}`,
    placeOf(place),
  );
  if (known) return { outcome: 'known', isRepeat: known.repeat_of !== null };
  const start = (await findDocument(sql, update.document))?.state.generationStart;
  if (start && isBefore(place, start)) return { outcome: 'refused', reason: 'stale-generation' };
  const { epoch, partition, offset } = place;
  const plan = await applyRecords(sql, {
    consumer: PERSISTER_CONSUMER,
    epoch,
    partition,
    fetchOffset: offset,
    nextOffset: offset + 1,
    records: [{ ...update, offset }],
  });
  const [row] = plan.rows;
  if (row) return { outcome: 'stored', isRepeat: row.repeatOf !== undefined };
  return { outcome: 'refused', reason: plan.quarantined[0]?.reason ?? 'unknown' };
}

interface RawStored {
  generation: string;
  sender_id: string;
  client_version: string;
  user_id: string | null;
  at_ms: string;
  metadata: Record<string, unknown>;
  connection_id: string | null;
  client_address: string | null;
  payload: Uint8Array;
}

/** Written again as it stood in the log; true when it was not in quarantine before. */
export async function setAside(
  sql: Sql,
  { document, place }: { document: DocumentId; place: RecordPlace },
): Promise<boolean> {
  const found = await findDocument(sql, document);
  const [row] = await sql<RawStored>(
    `select generation, sender_id, client_version, user_id, metadata, connection_id, client_address, payload,
       round(extract(epoch from at) * 1000)::bigint as at_ms
     from update_history where ${AT_PLACE} and document_id = $4 and payload is not null`,
    [...placeOf(place), found?.id ?? -1],
  );
  if (!row || !found) return false;
  const update: IncomingUpdate = {
    kind: 'update',
    offset: place.offset,
    document,
    generation: Number(row.generation),
    senderId: row.sender_id,
    clientVersion: Number(row.client_version),
    ...(row.user_id === null ? {} : { userId: row.user_id }),
    atMs: Number(row.at_ms),
    metadata: row.metadata,
    ...(row.connection_id === null ? {} : { connectionId: row.connection_id }),
    ...(row.client_address === null ? {} : { clientAddress: row.client_address }),
    payload: row.payload,
  };
  const { key, value, headers } = quarantineUpdate(update, {
    reason: INAPPLICABLE,
    state: found.state,
  });
  const added = await sql(
    `insert into quarantined_records (epoch, partition, "offset", document_key, reason, record_key, headers, value)
     values ($1, $2, $3, $4, $5, $4, $6, $7) on conflict do nothing returning 1`,
    [...placeOf(place), key, INAPPLICABLE, JSON.stringify(headers), value],
  );
  return added.length > 0;
}

export async function markReplayed(
  sql: Sql,
  { place, nowMs }: { place: RecordPlace; nowMs: number },
): Promise<void> {
  await sql(
    `update quarantined_records set replayed_at = coalesce(replayed_at, to_timestamp($4::double precision / 1000.0))
     where ${AT_PLACE}`,
    [...placeOf(place), nowMs],
  );
}

function isBefore(a: { epoch: number; offset: number }, b: { epoch: number; offset: number }): boolean {
  return a.epoch === b.epoch ? a.offset < b.offset : a.epoch < b.epoch;
}
