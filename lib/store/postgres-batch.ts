import { failpoint } from '../failpoints.ts';
import { documentKey, type DocumentId, type DocumentKey } from '../protocol/ids.ts';
import type { IncomingBatch, IncomingUpdate, StoreResult } from './port.ts';
import { hasRetryKey, planBatch, retryKey, type BatchPlan, type LogPoint } from './plan.ts';
import { findDeleted, lockDocuments, type DocumentRow } from './postgres-documents.ts';
import { insertGenerations } from './postgres-lifecycle.ts';
import type { Sql } from './sql.ts';
import { storableText } from './text.ts';

/**
 * One batch in one transaction (design rule 8): the position row is locked and must stand where the batch
 * begins; rows, quarantine, barriers and the new position are committed together or not at all.
 */
export async function writeBatch(sql: Sql, batch: IncomingBatch): Promise<StoreResult> {
  const stored = await lockPosition(sql, batch);
  if (stored !== batch.fetchOffset) return { outcome: 'moved', nextOffset: stored, touched: new Map() };
  const plan = await applyRecords(sql, batch);
  await sql(
    `update stream_positions set next_offset = $4 where consumer = $1 and epoch = $2 and partition = $3`,
    [batch.consumer, batch.epoch, batch.partition, batch.nextOffset],
  );
  failpoint('commit:before');
  return { outcome: 'stored', nextOffset: batch.nextOffset, touched: plan.touched };
}

/** Everything of a batch but its position. */
export async function applyRecords(sql: Sql, batch: IncomingBatch): Promise<BatchPlan> {
  const documents = await lockDocuments(sql, documentsOf(batch));
  const known = [...documents, ...(await findDeleted(sql, quarantinedOnly(batch, documents)))];
  const plan = planBatch(batch, {
    documents: new Map(known.map(([key, row]) => [key, row.state])),
    firsts: await findFirsts(sql, batch, documents),
  });
  failpoint('insert:before');
  await insertRows(sql, batch, { plan, documents });
  failpoint('insert:after');
  await insertGenerations(sql, batch, { plan, documents });
  await insertQuarantined(sql, batch, plan);
  await updateDocuments(sql, batch, { plan, documents });
  return plan;
}

async function lockPosition(sql: Sql, batch: IncomingBatch): Promise<number> {
  const key = [batch.consumer, batch.epoch, batch.partition];
  const select = `select next_offset from stream_positions
    where consumer = $1 and epoch = $2 and partition = $3 for update`;
  let rows = await sql<{ next_offset: string }>(select, key);
  if (rows.length === 0) {
    await sql(
      `insert into stream_positions (consumer, epoch, partition, next_offset) values ($1, $2, $3, 0)
       on conflict do nothing`,
      key,
    );
    rows = await sql<{ next_offset: string }>(select, key);
  }
  return Number(rows[0]!.next_offset);
}

function documentsOf(batch: IncomingBatch): DocumentId[] {
  const documents = new Map<DocumentKey, DocumentId>();
  for (const record of batch.records)
    if (record.kind !== 'quarantine') documents.set(documentKey(record.document), record.document);
  return [...documents.values()];
}

/** Documents of records that nobody can use: no row is made for them. */
function quarantinedOnly(batch: IncomingBatch, locked: ReadonlyMap<DocumentKey, DocumentRow>): DocumentId[] {
  const documents = new Map<DocumentKey, DocumentId>();
  for (const record of batch.records) {
    if (record.kind !== 'quarantine' || !record.document) continue;
    const key = documentKey(record.document);
    if (!locked.has(key)) documents.set(key, record.document);
  }
  return [...documents.values()];
}

interface RawFirst {
  k: number;
  epoch: number;
  offset: string;
}

/**
 * Where the payloads of the batch's retry keys are already. LATERAL with LIMIT makes one index lookup of each
 * key; as a plain join, a table without statistics (PGlite never analyses) is read as a whole for each batch.
 * "+ 0" leaves the planner only the index of the retry key, which begins with sender and version: without statistics
 * it takes the document's index as well, and reads all rows of a long document for each row of the batch.
 */
export async function findFirsts(
  sql: Sql,
  batch: IncomingBatch,
  documents: ReadonlyMap<DocumentKey, DocumentRow>,
): Promise<Map<string, LogPoint>> {
  const wanted = new Map<string, { update: IncomingUpdate; id: number }>();
  for (const record of batch.records) {
    if (record.kind !== 'update' || !hasRetryKey(record)) continue;
    const key = documentKey(record.document);
    wanted.set(retryKey(record, key), { update: record, id: documents.get(key)!.id });
  }
  if (wanted.size === 0) return new Map();
  const keys = [...wanted.keys()];
  const parameter = [...wanted.values()].map(({ update, id }, k) => ({
    k,
    d: id,
    g: update.generation,
    s: update.senderId,
    c: update.clientVersion,
    u: update.userId ?? '',
  }));
  const rows = await sql<RawFirst>(
    `select w.k, h.epoch, h."offset"
     from json_to_recordset($1::json) as w(k int, d bigint, g bigint, s text, c bigint, u text)
     cross join lateral (
       select epoch, "offset" from update_history
       where sender_id = w.s and client_version = w.c and document_id + 0 = w.d and generation + 0 = w.g
         and coalesce(user_id, '') = w.u and repeat_of is null and client_version > 0
       limit 1
     ) h`,
    [JSON.stringify(parameter)],
  );
  return new Map(rows.map((row) => [keys[row.k]!, { epoch: row.epoch, offset: Number(row.offset) }]));
}

/** All scalars as one JSON text and all payloads as one block of bytes: two parameters, however many rows. */
async function insertRows(
  sql: Sql,
  batch: IncomingBatch,
  { plan, documents }: { plan: BatchPlan; documents: ReadonlyMap<DocumentKey, DocumentRow> },
): Promise<void> {
  if (plan.rows.length === 0) return;
  const payloads: Uint8Array[] = [];
  let at = 1; // substring() counts from 1
  const rows = plan.rows.map(({ update, key, repeatOf }) => {
    const row = {
      o: update.offset,
      d: documents.get(key)!.id,
      g: update.generation,
      s: update.senderId,
      c: update.clientVersion,
      u: update.userId,
      t: update.atMs,
      m: update.metadata,
      ci: update.connectionId,
      ca: update.clientAddress,
      ...(repeatOf ? { ro: repeatOf.offset, re: repeatOf.epoch } : { p: at, l: update.payload.byteLength }),
    };
    if (!repeatOf) {
      payloads.push(update.payload);
      at += update.payload.byteLength;
    }
    return row;
  });
  await sql(
    `insert into update_history (epoch, partition, "offset", document_id, generation, sender_id,
       client_version, user_id, at, metadata, connection_id, client_address, payload, repeat_of, repeat_of_epoch)
     select $1::int, $2::int, r.o, r.d, r.g, r.s, r.c, r.u, to_timestamp(r.t / 1000.0), r.m, r.ci, r.ca,
       case when r.l is not null then substring($4::bytea from r.p for r.l) end, r.ro, r.re
     from json_to_recordset($3::json) as r(o bigint, d bigint, g bigint, s text, c bigint, u text,
       t double precision, m jsonb, ci text, ca text, p int, l int, ro bigint, re int)
     on conflict (epoch, partition, "offset") do nothing`,
    [batch.epoch, batch.partition, JSON.stringify(rows), Buffer.concat(payloads)],
  );
}

/** Text columns are made storable: this is where what no column takes ends up. The value has the true bytes. */
async function insertQuarantined(sql: Sql, batch: IncomingBatch, plan: BatchPlan): Promise<void> {
  for (const record of plan.quarantined) {
    const headers = Object.entries(record.headers).map(([k, v]) => [storableText(k), storableText(v)]);
    await sql(
      `insert into quarantined_records
         (epoch, partition, "offset", document_key, reason, record_key, headers, value)
       values ($1, $2, $3, $4, $5, $6, $7::jsonb, $8::bytea)
       on conflict (epoch, partition, "offset") do nothing`,
      [
        batch.epoch,
        batch.partition,
        record.offset,
        record.document ? storableText(documentKey(record.document)) : null,
        storableText(record.reason),
        storableText(record.key),
        JSON.stringify(Object.fromEntries(headers)),
        record.value,
      ],
    );
  }
}

async function updateDocuments(
  sql: Sql,
  batch: IncomingBatch,
  context: { plan: BatchPlan; documents: ReadonlyMap<DocumentKey, DocumentRow> },
): Promise<void> {
  const { plan, documents } = context;
  const changes = [...plan.changes.values()]
    .filter((change) => change.restarted || change.updates > 0)
    .map(({ key, state, restarted, updates, bytes }) => ({
      id: documents.get(key)!.id,
      g: state.generation,
      ge: state.generationStart.epoch,
      go: state.generationStart.offset,
      x: state.deleted,
      dg: state.deletedGeneration,
      f: restarted,
      n: updates,
      b: bytes,
    }));
  if (changes.length === 0) return;
  await sql(
    `update documents d set
       generation = c.g, generation_start_epoch = c.ge, generation_start_offset = c.go, tombstone = c.x,
       deleted_generation = c.dg,
       epoch = $2, partition = $3,
       updates_behind = c.n + case when c.f then 0 else d.updates_behind end,
       bytes_behind = c.b + case when c.f then 0 else d.bytes_behind end,
       snapshot_bytes = case when c.f then 0 else d.snapshot_bytes end,
       oldest_behind_at = case
         when c.f or d.updates_behind = 0 then case when c.n > 0 then clock_timestamp() end
         else d.oldest_behind_at end
     from json_to_recordset($1::json)
       as c(id bigint, g bigint, ge int, go bigint, x boolean, dg bigint, f boolean, n int, b bigint)
     where d.id = c.id`,
    [JSON.stringify(changes), batch.epoch, batch.partition],
  );
}
