import type { DocumentId } from '../protocol/ids.ts';
import type { Position } from '../protocol/position.ts';
import type { VersionRanges } from '../protocol/ranges.ts';
import { INAPPLICABLE } from './operations.ts';
import { NEW_DOCUMENT } from './plan.ts';
import {
  PERSISTER_CONSUMER,
  type HistoryRow,
  type LoadRequest,
  type SenderQuery,
  type Snapshot,
  type StoredState,
  type StoredUpdate,
} from './port.ts';
import { findDocument, type DocumentRow } from './postgres-documents.ts';
import type { Sql, SqlClient } from './sql.ts';

interface RawUpdate {
  epoch: number;
  partition: number;
  offset: string;
  sender_id: string;
  user_id: string | null;
  client_version: string;
  payload: Uint8Array | null;
}

const UPDATE_COLUMNS = `h.epoch, h.partition, h."offset", h.sender_id, h.user_id, h.client_version, h.payload`;

const toUpdate = (row: RawUpdate): StoredUpdate => ({
  epoch: row.epoch,
  partition: row.partition,
  offset: Number(row.offset),
  senderId: row.sender_id,
  ...(row.user_id === null ? {} : { userId: row.user_id }),
  clientVersion: Number(row.client_version),
  payload: row.payload ?? new Uint8Array(),
});

/** Everything of a document at one moment; `sql` must be a REPEATABLE READ transaction. */
export async function loadState(sql: Sql, request: LoadRequest): Promise<StoredState> {
  const storedThrough = (await nextOffset(sql, PERSISTER_CONSUMER, request)) - 1;
  const found = await findDocument(sql, request.document);
  const state = found?.state ?? NEW_DOCUMENT;
  const result: StoredState = {
    generation: state.generation,
    generationStartOffset: state.generationStart.offset,
    deleted: state.deleted,
    updates: [],
    storedThrough,
  };
  if (!found) return result;
  if (request.sinceOffset !== undefined) {
    const since = { epoch: request.epoch, throughOffset: request.sinceOffset };
    result.updates = await updatesAfter(sql, found, { request, since });
    return result;
  }
  const snapshot = request.fromRows ? undefined : await newestSnapshot(sql, found, request);
  if (snapshot) result.snapshot = snapshot;
  const since = snapshot ?? { epoch: -1, throughOffset: -1 };
  result.updates = await updatesAfter(sql, found, { request, since });
  return result;
}

export async function nextOffset(
  sql: Sql,
  consumer: string,
  at: { epoch: number; partition: number },
): Promise<number> {
  const rows = await sql<{ next_offset: string }>(
    `select next_offset from stream_positions where consumer = $1 and epoch = $2 and partition = $3`,
    [consumer, at.epoch, at.partition],
  );
  return rows[0] ? Number(rows[0].next_offset) : 0;
}

interface RawSnapshot {
  id: string;
  epoch: number;
  partition: number;
  through_offset: string;
  bytes: number;
  /** Null when it is larger than a slice. */
  data: Uint8Array | null;
  state_vector: Uint8Array;
}

/**
 * Larger snapshots come in slices of so many bytes. Bytes travel as hexadecimal text, and the driver holds a row in its
 * buffer, as text and as bytes at once: 50 MB in one piece took 350 MB of memory, in slices 120.
 */
const SLICE_BYTES = 1024 * 1024;

/** Earlier epochs of the topic count as well: an epoch that was adopted goes on with what was stored before. */
async function newestSnapshot(
  sql: Sql,
  { id, document, state }: DocumentRow,
  request: LoadRequest,
): Promise<Snapshot | undefined> {
  const [row] = await sql<RawSnapshot>(
    `select id, epoch, partition, through_offset, octet_length(data) as bytes, state_vector,
       case when octet_length(data) <= $7 then data end as data
     from document_snapshots
     where document_id = $1 and generation = $2 and data is not null
       and (epoch < $3 or (epoch = $3 and partition = $4))
       and (epoch, through_offset) >= ($5::int, $6::bigint)
     order by epoch desc, through_offset desc limit 1`,
    [
      id,
      state.generation,
      request.epoch,
      request.partition,
      state.generationStart.epoch,
      state.generationStart.offset,
      SLICE_BYTES,
    ],
  );
  return (
    row && {
      document,
      generation: state.generation,
      epoch: row.epoch,
      partition: row.partition,
      throughOffset: Number(row.through_offset),
      data: row.data ?? (await slicesOf(sql, row)),
      stateVector: row.state_vector,
    }
  );
}

/** In memory of its own, so that it can be handed to a thread without a copy. */
async function slicesOf(sql: Sql, { id, bytes }: RawSnapshot): Promise<Uint8Array> {
  const data = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += SLICE_BYTES) {
    // substring() counts from 1
    const [row] = await sql<{ slice: Uint8Array }>(
      `select substring(data from $2 for $3) as slice from document_snapshots where id = $1`,
      [id, at + 1, SLICE_BYTES],
    );
    data.set(row!.slice, at);
  }
  return data;
}

/**
 * In pages: a result is one piece of work for the driver, twice as long as its bytes (hexadecimal), during which nothing
 * else happens in the process. Those of 8 MB stopped an event loop for some 100 ms.
 */
const UPDATES_PAGE_ROWS = 500;
const UPDATES_PAGE_BYTES = 512 * 1024;

async function updatesAfter(
  sql: Sql,
  { id, state }: DocumentRow,
  { request, since }: { request: LoadRequest; since: { epoch: number; throughOffset: number } },
): Promise<StoredUpdate[]> {
  const updates: StoredUpdate[] = [];
  let after = { epoch: since.epoch, offset: since.throughOffset };
  for (;;) {
    const rows = await sql<RawUpdate>(
      `select * from (
         select *, sum(bytes) over (order by epoch, "offset") - bytes as before from (
           select ${UPDATE_COLUMNS}, coalesce(octet_length(h.payload), 0) as bytes from update_history h
           where h.document_id = $1 and h.generation = $2 and h.repeat_of is null
             and (h.epoch, h."offset") > ($3::int, $4::bigint)
             and (h.epoch < $5 or (h.epoch = $5 and h.partition = $6))
             and not exists (
               select 1 from quarantined_records q
               where q.epoch = h.epoch and q.partition = h.partition and q."offset" = h."offset"
                 and q.reason = '${INAPPLICABLE}' and q.replayed_at is null
             )
           order by h.epoch, h."offset" limit ${UPDATES_PAGE_ROWS}
         ) sizes
       ) page where before < ${UPDATES_PAGE_BYTES} order by epoch, "offset"`,
      [id, state.generation, after.epoch, after.offset, request.epoch, request.partition],
    );
    const page = rows.map(toUpdate);
    updates.push(...page);
    const last = page.at(-1);
    const bytes = page.reduce((sum, { payload }) => sum + payload.byteLength, 0);
    if (!last || (page.length < UPDATES_PAGE_ROWS && bytes < UPDATES_PAGE_BYTES)) return updates;
    after = { epoch: last.epoch, offset: last.offset };
  }
}

/** Gaps and islands: consecutive versions have the same difference to their rank. */
export async function appendedVersions(
  sql: Sql,
  document: DocumentId,
  sender: SenderQuery & { generation: number },
): Promise<VersionRanges> {
  const found = await findDocument(sql, document);
  if (!found || sender.generation <= found.state.deletedGeneration) return [];
  const rows = await sql<{ first: string; last: string }>(
    `select min(v) as first, max(v) as last from (
       select v, v - row_number() over (order by v) as island from (
         select distinct h.client_version as v from update_history h
         where h.document_id = $1 and h.generation = $2 and h.sender_id = $3 and coalesce(h.user_id, '') = $6
           and h.repeat_of is null and h.client_version > 0
           and (h.epoch < $4 or (h.epoch = $4 and h."offset" <= $5))
       ) versions
     ) islands group by island order by 1`,
    [found.id, sender.generation, sender.senderId, sender.epoch, sender.throughOffset, sender.userId ?? ''],
  );
  return rows.map((row) => [Number(row.first), Number(row.last)]);
}

interface RawHistory extends RawUpdate {
  generation: string;
  at_ms: string;
  metadata: Record<string, unknown>;
  connection_id: string | null;
  client_address: string | null;
  repeat_of: string | null;
}

const PAGE_ROWS = 500;
const PAGE_BYTES = 4 * 1024 * 1024;

/** Pages by key, each at most 500 rows and, but for a single larger row, 4 MB. */
export async function* exportRows(
  client: SqlClient,
  document: DocumentId,
  since?: Position,
): AsyncIterable<HistoryRow> {
  const query = client.query.bind(client) as Sql;
  const found = await findDocument(query, document);
  if (!found) return;
  const generation = since?.generation ?? found.state.generation;
  if (generation <= found.state.deletedGeneration) return;
  let after = { epoch: since?.epoch ?? -1, offset: since?.offset ?? -1 };
  for (;;) {
    const rows = await query<RawHistory>(
      `select ${UPDATE_COLUMNS}, h.generation, h.metadata, h.repeat_of, h.connection_id, h.client_address,
         round(extract(epoch from h.at) * 1000)::bigint as at_ms
       from (
         select epoch, partition, "offset", sum(bytes) over (order by epoch, "offset") - bytes as before from (
           select epoch, partition, "offset", coalesce(octet_length(payload), 0) as bytes from update_history
           where document_id = $1 and generation = $2 and (epoch, "offset") > ($3::int, $4::bigint)
           order by epoch, "offset" limit $5
         ) sizes
       ) page join update_history h using (epoch, partition, "offset")
       where page.before < $6 order by h.epoch, h."offset"`,
      [found.id, generation, after.epoch, after.offset, PAGE_ROWS, PAGE_BYTES],
    );
    const last = rows.at(-1);
    if (!last) return;
    for (const row of rows) yield toHistoryRow(row);
    after = { epoch: last.epoch, offset: Number(last.offset) };
  }
}

function toHistoryRow(row: RawHistory): HistoryRow {
  return {
    ...toUpdate(row),
    generation: Number(row.generation),
    atMs: Number(row.at_ms),
    metadata: row.metadata,
    ...(row.connection_id === null ? {} : { connectionId: row.connection_id }),
    ...(row.client_address === null ? {} : { clientAddress: row.client_address }),
    ...(row.repeat_of === null ? {} : { repeatOf: Number(row.repeat_of) }),
  };
}
