import { documentKey, type DocumentId, type DocumentKey } from '../protocol/ids.ts';
import type { DocumentState } from './plan.ts';
import type { Sql } from './sql.ts';

export interface DocumentRow {
  id: number;
  document: DocumentId;
  key: DocumentKey;
  state: DocumentState;
}

export interface RawDocument {
  id: string;
  tenant_id: string;
  room_id: string;
  doc_id: string;
  subdoc_id: string;
  generation: string;
  generation_start_epoch: number;
  generation_start_offset: string;
  tombstone: boolean;
  deleted_generation: string;
}

const STATE_COLUMNS = `d.id, d.tenant_id, d.room_id, d.doc_id, d.subdoc_id,
  d.generation, d.generation_start_epoch, d.generation_start_offset, d.tombstone,
  d.deleted_generation`;
const SAME_NAME = `d.tenant_id = n.t and d.room_id = n.r and d.doc_id = n.d and d.subdoc_id = n.s`;
const NAMES = `json_to_recordset($1::json) as n(t text, r text, d text, s text)`;

function nameParameter(documents: readonly DocumentId[]): string {
  return JSON.stringify(
    documents.map(({ tenantId: t, roomId: r, docId: d, subdocId: s }) => ({ t, r, d, s: s ?? '' })),
  );
}

export function documentOf(row: RawDocument): DocumentId {
  const id = { tenantId: row.tenant_id, roomId: row.room_id, docId: row.doc_id };
  return row.subdoc_id === '' ? id : { ...id, subdocId: row.subdoc_id };
}

function toDocumentRow(row: RawDocument): DocumentRow {
  const document = documentOf(row);
  return {
    id: Number(row.id),
    document,
    key: documentKey(document),
    state: {
      generation: Number(row.generation),
      generationStart: {
        epoch: row.generation_start_epoch,
        offset: Number(row.generation_start_offset),
      },
      deleted: row.tombstone,
      deletedGeneration: Number(row.deleted_generation),
    },
  };
}

/** The row of a document, or undefined when the log has not named it yet. */
export async function findDocument(sql: Sql, document: DocumentId): Promise<DocumentRow | undefined> {
  const rows = await sql<RawDocument>(
    `select ${STATE_COLUMNS} from documents d
     where d.tenant_id = $1 and d.room_id = $2 and d.doc_id = $3 and d.subdoc_id = $4`,
    [document.tenantId, document.roomId, document.docId, document.subdocId ?? ''],
  );
  return rows[0] && toDocumentRow(rows[0]);
}

/** Locks the rows of the documents until the transaction ends, making those that are missing. */
export async function lockDocuments(
  sql: Sql,
  documents: readonly DocumentId[],
): Promise<Map<DocumentKey, DocumentRow>> {
  const found = await selectForUpdate(sql, documents);
  const missing = documents.filter((document) => !found.has(documentKey(document)));
  if (missing.length > 0) {
    await sql(
      `insert into documents (tenant_id, room_id, doc_id, subdoc_id)
       select n.t, n.r, n.d, n.s from ${NAMES} order by 1, 2, 3, 4
       on conflict (tenant_id, room_id, doc_id, subdoc_id) do nothing`,
      [nameParameter(missing)],
    );
    for (const [key, row] of await selectForUpdate(sql, missing)) found.set(key, row);
  }
  return found;
}

/** What is known of documents that were deleted at some time, without a lock: barriers come with the batch's partition. */
export async function findDeleted(
  sql: Sql,
  documents: readonly DocumentId[],
): Promise<Map<DocumentKey, DocumentRow>> {
  if (documents.length === 0) return new Map();
  const rows = await sql<RawDocument>(
    `select ${STATE_COLUMNS} from documents d join ${NAMES} on ${SAME_NAME} where d.deleted_generation > 0`,
    [nameParameter(documents)],
  );
  return new Map(rows.map(toDocumentRow).map((row) => [row.key, row]));
}

/** In the order of the ids, so that two transactions can never wait for each other. */
async function selectForUpdate(
  sql: Sql,
  documents: readonly DocumentId[],
): Promise<Map<DocumentKey, DocumentRow>> {
  if (documents.length === 0) return new Map();
  const rows = await sql<RawDocument>(
    `select ${STATE_COLUMNS} from documents d join ${NAMES} on ${SAME_NAME} order by d.id for update of d`,
    [nameParameter(documents)],
  );
  return new Map(rows.map(toDocumentRow).map((row) => [row.key, row]));
}
