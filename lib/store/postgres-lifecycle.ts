import { documentKey } from '../protocol/ids.ts';
import type { BatchPlan } from './plan.ts';
import {
  PERSISTER_CONSUMER,
  type DocumentLifecycle,
  type GenerationRow,
  type IncomingBatch,
  type LoadRequest,
  type RemovalStep,
} from './port.ts';
import { documentOf, findDocument, type DocumentRow, type RawDocument } from './postgres-documents.ts';
import { nextOffset } from './postgres-reads.ts';
import type { Sql } from './sql.ts';
import { storableText } from './text.ts';

const MAX_LISTED = 1_000;
/** A snapshot may have the size of its document: fewer of them go at a time. */
const SNAPSHOTS_PER_STEP = 10;

/** The barriers of a batch that count, in its transaction. */
export async function insertGenerations(
  sql: Sql,
  { epoch, partition }: IncomingBatch,
  { plan, documents }: { plan: BatchPlan; documents: ReadonlyMap<string, DocumentRow> },
): Promise<void> {
  if (plan.generations.length === 0) return;
  const rows = plan.generations.map(({ key, barrier: { generation, reason, offset, origin } }) => ({
    d: documents.get(key)!.id,
    g: generation,
    r: reason,
    o: offset,
    k: textOrNothing(origin?.key),
    s: textOrNothing(origin?.senderId),
    u: textOrNothing(origin?.userId),
    t: origin?.atMs,
    p: origin?.parts,
  }));
  await sql(
    `insert into document_generations
       (document_id, generation, reason, epoch, partition, "offset", operation_key, sender_id, user_id, at, parts)
     select r.d, r.g, r.r, $1::int, $2::int, r.o, r.k, r.s, r.u, to_timestamp(r.t / 1000.0), r.p
     from json_to_recordset($3::json)
       as r(d bigint, g bigint, r text, o bigint, k text, s text, u text, t double precision, p int)
     on conflict (document_id, generation) do nothing`,
    [epoch, partition, JSON.stringify(rows)],
  );
}

function textOrNothing(text: string | undefined): string | undefined {
  return text === undefined ? undefined : storableText(text);
}

interface RawGeneration {
  generation: string;
  reason: GenerationRow['reason'];
  epoch: number;
  partition: number;
  offset: string;
  operation_key: string | null;
  sender_id: string | null;
  user_id: string | null;
  at_ms: string | null;
  parts: number | null;
  removed_rows: string;
  removed_bytes: string;
  removed_snapshots: string;
  removed_quarantined: string;
  removed_ms: string | null;
}

/** `sql` must be a REPEATABLE READ transaction. */
export async function readLifecycle(
  sql: Sql,
  request: Omit<LoadRequest, 'sinceOffset'>,
): Promise<DocumentLifecycle> {
  const storedThrough = (await nextOffset(sql, PERSISTER_CONSUMER, request)) - 1;
  const found = await findDocument(sql, request.document);
  if (!found) return { generation: 1, deleted: false, deletedGeneration: 0, generations: [], storedThrough };
  const rows = await sql<RawGeneration>(
    `select g.*, round(extract(epoch from g.at) * 1000)::bigint as at_ms,
       round(extract(epoch from g.removed_at) * 1000)::bigint as removed_ms
     from document_generations g where g.document_id = $1 order by g.generation desc limit $2`,
    [found.id, MAX_LISTED],
  );
  const { generation, deleted, deletedGeneration } = found.state;
  return { generation, deleted, deletedGeneration, generations: rows.map(toGeneration), storedThrough };
}

function toGeneration(row: RawGeneration): GenerationRow {
  return {
    generation: Number(row.generation),
    reason: row.reason,
    epoch: row.epoch,
    partition: row.partition,
    offset: Number(row.offset),
    ...(row.operation_key === null ? {} : { key: row.operation_key }),
    ...(row.sender_id === null ? {} : { senderId: row.sender_id }),
    ...(row.user_id === null ? {} : { userId: row.user_id }),
    ...(row.at_ms === null ? {} : { atMs: Number(row.at_ms) }),
    ...(row.parts === null ? {} : { parts: row.parts }),
    ...(row.reason === 'deleted' ? { removed: removedOf(row) } : {}),
  };
}

function removedOf(row: RawGeneration) {
  return {
    rows: Number(row.removed_rows),
    bytes: Number(row.removed_bytes),
    snapshots: Number(row.removed_snapshots),
    quarantined: Number(row.removed_quarantined),
    ...(row.removed_ms === null ? {} : { completedAtMs: Number(row.removed_ms) }),
  };
}

interface RawPending extends RawDocument {
  document_id: string;
  deletion: string;
  epoch: number;
  partition: number;
  offset: string;
}

/** One bounded step in one transaction: what it took away and what the evidence says of it are committed together. */
export async function removeStep(
  sql: Sql,
  { maxRows, nowMs }: { maxRows: number; nowMs: number },
): Promise<RemovalStep | undefined> {
  const [pending] = await sql<RawPending>(
    `select d.*, g.document_id, g.generation as deletion, g.epoch, g.partition, g."offset"
     from document_generations g join documents d on d.id = g.document_id
     where g.reason = 'deleted' and g.removed_at is null
     order by g.document_id, g.generation limit 1 for update of g skip locked`,
  );
  if (!pending) return undefined;
  const document = documentOf(pending);
  const deletion = Number(pending.deletion);
  const rows = await removeRows(sql, pending, maxRows);
  const snapshots = await removeSnapshots(sql, pending, Math.min(maxRows, SNAPSHOTS_PER_STEP));
  const quarantined = await removeQuarantined(sql, pending, { key: documentKey(document), maxRows });
  const isDone = rows.count < maxRows && snapshots === 0 && quarantined < maxRows;
  await sql(
    `update document_generations set removed_rows = removed_rows + $3, removed_bytes = removed_bytes + $4,
       removed_snapshots = removed_snapshots + $5, removed_quarantined = removed_quarantined + $6,
       removed_at = case when $7::boolean then to_timestamp($8::double precision / 1000.0) end
     where document_id = $1 and generation = $2`,
    [pending.document_id, deletion, rows.count, rows.bytes, snapshots, quarantined, isDone, nowMs],
  );
  const removed = { rows: rows.count, bytes: rows.bytes, snapshots, quarantined };
  return {
    document,
    generation: deletion,
    removed: isDone ? { ...removed, completedAtMs: nowMs } : removed,
  };
}

/** By ctid: the inner select takes the document's index, and no statistics are needed to delete what it found. */
async function removeRows(sql: Sql, { document_id, deletion }: RawPending, maxRows: number) {
  const [gone] = await sql<{ count: string; bytes: string }>(
    `with gone as (
       delete from update_history where ctid = any(array(
         select ctid from update_history where document_id = $1 and generation <= $2
         order by generation, epoch, "offset" limit $3
       )) returning coalesce(octet_length(payload), 0) as bytes
     ) select count(*) as count, coalesce(sum(bytes), 0) as bytes from gone`,
    [document_id, deletion, maxRows],
  );
  return { count: Number(gone!.count), bytes: Number(gone!.bytes) };
}

async function removeSnapshots(sql: Sql, { document_id, deletion }: RawPending, max: number) {
  const gone = await sql(
    `delete from document_snapshots where ctid = any(array(
       select ctid from document_snapshots where document_id = $1 and generation <= $2 limit $3
     )) returning 1`,
    [document_id, deletion, max],
  );
  return gone.length;
}

/** Those from before the deletion; what came behind it was kept without its bytes. */
async function removeQuarantined(
  sql: Sql,
  { epoch, partition, offset }: RawPending,
  { key, maxRows }: { key: string; maxRows: number },
) {
  const gone = await sql(
    `delete from quarantined_records where ctid = any(array(
       select ctid from quarantined_records
       where document_key = $1
         and (epoch < $2::int or (epoch = $2::int and (partition <> $3::int or "offset" < $4::bigint)))
       limit $5
     )) returning 1`,
    [key, epoch, partition, offset, maxRows],
  );
  return gone.length;
}
