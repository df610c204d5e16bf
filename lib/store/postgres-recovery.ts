import type { DocumentId } from '../protocol/ids.ts';
import type { AcceptedLoss, DocumentQuery, StoredDocument } from './operations.ts';
import { PERSISTER_CONSUMER } from './port.ts';
import { documentOf, type RawDocument } from './postgres-documents.ts';
import type { Sql } from './sql.ts';

/** The position row is locked by the same statement that moves it: a batch is stored before or after, not in between. */
export async function acceptLoss(
  sql: Sql,
  { loss, nowMs }: { loss: Omit<AcceptedLoss, 'atMs'>; nowMs: number },
): Promise<boolean> {
  const { epoch, partition, fromOffset, toOffset } = loss;
  await sql(
    `insert into stream_positions (consumer, epoch, partition, next_offset) values ($1, $2, $3, 0)
     on conflict do nothing`,
    [PERSISTER_CONSUMER, epoch, partition],
  );
  const moved = await sql(
    `update stream_positions set next_offset = $5
     where consumer = $1 and epoch = $2 and partition = $3 and next_offset = $4 returning 1`,
    [PERSISTER_CONSUMER, epoch, partition, fromOffset, toOffset],
  );
  if (moved.length === 0) return false;
  await sql(
    `insert into accepted_losses (epoch, partition, from_offset, to_offset, at)
     values ($1, $2, $3, $4, to_timestamp($5::double precision / 1000.0))`,
    [epoch, partition, fromOffset, toOffset, nowMs],
  );
  return true;
}

interface RawLoss {
  epoch: number;
  partition: number;
  from_offset: string;
  to_offset: string;
  at_ms: string;
}

export async function listLosses(sql: Sql, limit: number): Promise<AcceptedLoss[]> {
  const rows = await sql<RawLoss>(
    `select *, round(extract(epoch from at) * 1000)::bigint as at_ms from accepted_losses
     order by at desc, epoch desc, partition desc limit $1`,
    [limit],
  );
  return rows.map((row) => ({
    epoch: row.epoch,
    partition: row.partition,
    fromOffset: Number(row.from_offset),
    toOffset: Number(row.to_offset),
    atMs: Number(row.at_ms),
  }));
}

type RawStored = RawDocument & { epoch: number; partition: number };

const toStored = (row: RawStored): StoredDocument => ({
  id: Number(row.id),
  document: documentOf(row),
  epoch: row.epoch,
  partition: row.partition,
});

export async function findStored(sql: Sql, document: DocumentId): Promise<StoredDocument | undefined> {
  const [row] = await sql<RawStored>(
    `select d.* from documents d where not d.tombstone
       and d.tenant_id = $1 and d.room_id = $2 and d.doc_id = $3 and d.subdoc_id = $4`,
    [document.tenantId, document.roomId, document.docId, document.subdocId ?? ''],
  );
  return row && toStored(row);
}

export async function listDocuments(sql: Sql, query: DocumentQuery): Promise<StoredDocument[]> {
  const { limit, afterId = 0, tenantId, roomId } = query;
  const rows = await sql<RawStored>(
    `select d.* from documents d
     where d.id > $1 and not d.tombstone
       and ($2::text is null or d.tenant_id = $2) and ($3::text is null or d.room_id = $3)
     order by d.id limit $4`,
    [afterId, tenantId ?? null, roomId ?? null, limit],
  );
  return rows.map(toStored);
}
