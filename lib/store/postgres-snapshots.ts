import type { DocumentId } from '../protocol/ids.ts';
import { PERSISTER_CONSUMER, type Snapshot, type SnapshotDebt } from './port.ts';
import { documentOf, findDocument, lockDocuments, type RawDocument } from './postgres-documents.ts';
import { nextOffset } from './postgres-reads.ts';
import type { Sql } from './sql.ts';

/** Writes a snapshot if it covers more than what is there, no more than what is stored, and the generation still holds. */
export async function writeSnapshot(sql: Sql, snapshot: Snapshot): Promise<boolean> {
  const id = await lockFor(sql, snapshot);
  if (id === undefined) return false;
  const { epoch, throughOffset } = snapshot;
  const better = await sql(
    `select 1 from document_snapshots
     where document_id = $1 and generation = $2 and (epoch, through_offset) >= ($3::int, $4::bigint) limit 1`,
    [id, snapshot.generation, epoch, throughOffset],
  );
  if (better.length > 0) return false;
  await insertSnapshot(sql, { snapshot, id });
  return true;
}

/** Puts a snapshot in the place of all others, also of newer ones: those may rest on what it replaces. */
export async function replaceSnapshots(sql: Sql, snapshot: Snapshot): Promise<boolean> {
  const id = await lockFor(sql, snapshot);
  if (id === undefined) return false;
  // Archived rows are in the snapshots, but not in what was made from the rows.
  const archived = await sql(`select 1 from documents where id = $1 and trimmed_through >= 0`, [id]);
  if (archived.length > 0) return false;
  await sql(`delete from document_snapshots where document_id = $1`, [id]);
  await insertSnapshot(sql, { snapshot, id });
  return true;
}

/** Locks the document of a snapshot that may be written; undefined for one that may not. */
async function lockFor(sql: Sql, snapshot: Snapshot): Promise<number | undefined> {
  if (!(await findDocument(sql, snapshot.document))) return undefined;
  const [row] = (await lockDocuments(sql, [snapshot.document])).values();
  const { id, state } = row!;
  const { epoch, throughOffset } = snapshot;
  if (snapshot.generation !== state.generation || state.deleted) return undefined;
  if (isBefore({ epoch, offset: throughOffset }, state.generationStart)) return undefined;
  // Rows before snapshot: nothing may rest on a snapshot alone.
  if (throughOffset >= (await nextOffset(sql, PERSISTER_CONSUMER, snapshot))) return undefined;
  return id;
}

async function insertSnapshot(sql: Sql, { snapshot, id }: { snapshot: Snapshot; id: number }): Promise<void> {
  const { epoch, throughOffset } = snapshot;
  await sql(
    `insert into document_snapshots
       (document_id, generation, epoch, partition, through_offset, data, state_vector, size_bytes)
     values ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [
      id,
      snapshot.generation,
      epoch,
      snapshot.partition,
      throughOffset,
      snapshot.data,
      snapshot.stateVector,
      snapshot.data.byteLength,
    ],
  );
  // What came while the snapshot was made lies behind it now; its age begins again.
  await sql(
    `update documents d set snapshot_bytes = $4, updates_behind = b.updates, bytes_behind = b.bytes,
       oldest_behind_at = case when b.updates > 0 then clock_timestamp() end
     from (
       select count(*) as updates, coalesce(sum(octet_length(payload)), 0) as bytes from update_history
       where document_id = $1 and generation = $2 and repeat_of is null
         and (epoch, "offset") > ($3::int, $5::bigint)
     ) b where d.id = $1`,
    [id, snapshot.generation, epoch, snapshot.data.byteLength, throughOffset],
  );
}

function isBefore(a: { epoch: number; offset: number }, b: { epoch: number; offset: number }): boolean {
  return a.epoch === b.epoch ? a.offset < b.offset : a.epoch < b.epoch;
}

interface RawDebt extends RawDocument {
  epoch: number;
  partition: number;
  updates_behind: number;
  bytes_behind: string;
  snapshot_bytes: string;
  age_ms: string;
  is_of_past_epoch: boolean;
}

const DEBT = `select d.*, round(extract(epoch from clock_timestamp() - d.oldest_behind_at) * 1000)::bigint as age_ms,
  exists (
    select 1 from stream_topics own join stream_topics newer on newer.name = own.name and newer.epoch > own.epoch
    where own.epoch = d.epoch
  ) as is_of_past_epoch
  from documents d`;

const toDebt = (row: RawDebt): SnapshotDebt => ({
  document: documentOf(row),
  generation: Number(row.generation),
  epoch: row.epoch,
  partition: row.partition,
  updates: row.updates_behind,
  bytes: Number(row.bytes_behind),
  ageMs: Number(row.age_ms),
  snapshotBytes: Number(row.snapshot_bytes),
  isOfPastEpoch: row.is_of_past_epoch,
});

/** Reads the counters that each batch leaves in the document's row, never the history. */
export async function oldestDebts(sql: Sql, limit: number): Promise<SnapshotDebt[]> {
  const rows = await sql<RawDebt>(
    `${DEBT} where d.updates_behind > 0 and not d.tombstone order by d.oldest_behind_at limit $1`,
    [limit],
  );
  return rows.map(toDebt);
}

export async function debtOf(sql: Sql, document: DocumentId): Promise<SnapshotDebt | undefined> {
  const [row] = await sql<RawDebt>(
    `${DEBT} where d.updates_behind > 0 and not d.tombstone
       and d.tenant_id = $1 and d.room_id = $2 and d.doc_id = $3 and d.subdoc_id = $4`,
    [document.tenantId, document.roomId, document.docId, document.subdocId ?? ''],
  );
  return row && toDebt(row);
}

export async function deleteSuperseded(sql: Sql): Promise<number> {
  const rows = await sql(
    `delete from document_snapshots s using document_snapshots newer
     where newer.document_id = s.document_id
       and (newer.generation, newer.epoch, newer.through_offset) > (s.generation, s.epoch, s.through_offset)
     returning s.id`,
  );
  return rows.length;
}
