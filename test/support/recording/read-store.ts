import pg from 'pg';
import { documentKey } from '../../../lib/protocol/ids.ts';
import type { QuarantinedRecord, StoredRow } from '../oracle/index.ts';

interface HistoryRow {
  epoch: number;
  partition: number;
  offset: string;
  tenant_id: string;
  room_id: string;
  doc_id: string;
  subdoc_id: string;
  generation: string;
  sender_id: string;
  client_version: string;
  user_id: string | null;
  payload: Buffer | null;
  repeat_of: string | null;
}

/** A reader of the tables themselves: not through the store's own code, which is under test. */
export class StoreReader {
  readonly #pool: pg.Pool;

  constructor(databaseUrl: string) {
    this.#pool = new pg.Pool({ connectionString: databaseUrl, max: 1 });
    this.#pool.on('error', () => undefined); // the next query says so
  }

  async rows(): Promise<StoredRow[]> {
    const { rows } = await this.#pool.query<HistoryRow>(
      `SELECT h.epoch, h.partition, h."offset", h.generation, h.sender_id, h.client_version, h.user_id, h.payload,
              h.repeat_of, d.tenant_id, d.room_id, d.doc_id, d.subdoc_id
         FROM update_history h LEFT JOIN documents d ON d.id = h.document_id`,
    );
    return rows.map((row) => ({
      document: documentKey({
        tenantId: row.tenant_id,
        roomId: row.room_id,
        docId: row.doc_id,
        ...(row.subdoc_id === '' ? {} : { subdocId: row.subdoc_id }),
      }),
      generation: Number(row.generation),
      senderId: row.sender_id,
      version: Number(row.client_version),
      userId: row.user_id ?? undefined,
      epoch: row.epoch,
      partition: row.partition,
      offset: Number(row.offset),
      payload: row.payload ?? undefined,
      repeatOf: row.repeat_of === null ? undefined : Number(row.repeat_of),
    }));
  }

  async quarantined(): Promise<QuarantinedRecord[]> {
    const { rows } = await this.#pool.query<{ epoch: number; partition: number; offset: string }>(
      'SELECT epoch, partition, "offset" FROM quarantined_records',
    );
    return rows.map(({ epoch, partition, offset }) => ({ epoch, partition, offset: Number(offset) }));
  }

  /** Epoch of a topic as the store numbers it. */
  async epochOf(topic: string): Promise<number> {
    const { rows } = await this.#pool.query<{ epoch: number }>(
      'SELECT epoch FROM stream_topics WHERE name = $1 ORDER BY epoch DESC LIMIT 1',
      [topic],
    );
    if (!rows[0]) throw new Error(`The store does not know the topic ${topic}.`);
    return rows[0].epoch;
  }

  /** Up to where each partition is stored, whoever stores it. */
  async positions(epoch: number): Promise<Map<number, number>> {
    const { rows } = await this.#pool.query<{ partition: number; next_offset: string }>(
      'SELECT partition, min(next_offset) AS next_offset FROM stream_positions WHERE epoch = $1 GROUP BY partition',
      [epoch],
    );
    return new Map(rows.map(({ partition, next_offset }) => [partition, Number(next_offset)]));
  }

  /** Sessions of this database, the reader's own not among them. */
  async connections(): Promise<number> {
    const { rows } = await this.#pool.query<{ count: string }>(
      'SELECT count(*) AS count FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    );
    return Number(rows[0]!.count);
  }

  close(): Promise<void> {
    return this.#pool.end();
  }
}
