import pg from 'pg';
import { systemClock } from '../../../lib/clock.ts';
import { silentLogger } from '../../../lib/log.ts';
import { documentKey } from '../../../lib/protocol/index.ts';
import { createKafkaStream } from '../../../lib/stream/kafka.ts';
import type { DeliveredRecord, Stream } from '../../../lib/stream/port.ts';
import { readLogEntry } from '../../../lib/sync/records.ts';
import type { LogRecord, QuarantinedRecord, StoredRow } from '../../support/oracle/index.ts';
import { waitFor } from '../../support/wait.ts';
import type { World } from './world.ts';

const MB = 1024 * 1024;

/** What Kafka and PostgreSQL have, read beside the services and the proxies. */
export class Ledger {
  readonly #world: World;
  readonly #stream: Stream;
  #log: LogRecord[] = [];
  readonly #readTo = new Map<number, number>();

  private constructor(world: World, stream: Stream) {
    this.#world = world;
    this.#stream = stream;
  }

  static async open(world: World): Promise<Ledger> {
    const stream = await createKafkaStream({
      brokers: world.brokers,
      clientId: 'fault-suite',
      logger: silentLogger,
      clock: systemClock,
      replicationFactor: 1,
      minInsyncReplicas: 1,
      retentionMs: 3_600_000,
      ephemeralRetentionMs: 600_000,
      maxRecordBytes: 8 * MB + 128 * 1024,
      producerBufferBytes: MB,
      topicPollMs: 60_000,
      appendTimeoutMs: 5_000,
    });
    return new Ledger(world, stream);
  }

  close(): Promise<void> {
    return this.#stream.close();
  }

  /** Resolves when the store has everything that is in the log now. */
  async untilStored(timeoutMs: number): Promise<void> {
    const ends = await this.#ends();
    let missing = '';
    await waitFor(
      async () => {
        const stored = await this.#query<{ partition: number; next: string }>(
          `select p.partition, p.next_offset as next from stream_positions p
           where p.consumer = 'persister' and p.epoch = (select max(epoch) from stream_topics where name = $1)`,
          [this.#world.docTopic],
        );
        const reached = new Map(stored.map(({ partition, next }) => [partition, Number(next)]));
        const behind = [...ends].filter(([partition, end]) => (reached.get(partition) ?? 0) < end);
        missing = behind
          .map(([partition, end]) => `${partition}: ${reached.get(partition) ?? 0}/${end}`)
          .join(', ');
        return behind.length === 0;
      },
      { timeoutMs, intervalMs: 50, what: 'everything is stored' },
    ).catch((cause: unknown) => {
      throw new Error(`Not stored within ${timeoutMs} ms: partition ${missing}`, { cause });
    });
  }

  async evidence(
    roomIds: readonly string[],
  ): Promise<{ rows: StoredRow[]; log: LogRecord[]; quarantined: QuarantinedRecord[] }> {
    await this.#readLog();
    const isOfRooms = (document: string) =>
      roomIds.includes(decodeURIComponent(document.split('/')[1] ?? ''));
    return {
      rows: await this.#rows(roomIds),
      log: this.#log.filter((record) => record.kind === 'other' || isOfRooms(record.document)),
      quarantined: await this.#quarantined(),
    };
  }

  /** The records of rooms that are closed are not asked for again. */
  forget(): void {
    this.#log = [];
  }

  async #ends(): Promise<Map<number, number>> {
    const { docTopic, partitions } = this.#world;
    const ends = new Map<number, number>();
    for (let partition = 0; partition < partitions; partition++)
      ends.set(partition, await this.#stream.endOffset({ topic: docTopic, partition }));
    return ends;
  }

  async #readLog(): Promise<void> {
    const { docTopic } = this.#world;
    const epoch = await this.#epoch();
    for (const [partition, toOffset] of await this.#ends()) {
      const fromOffset = this.#readTo.get(partition) ?? 0;
      const at = { topic: docTopic, partition };
      const { records } = await this.#stream.read({ ...at, fromOffset, toOffset, maxBytes: 512 * MB });
      for (const record of records) this.#log.push(toLogRecord(record, { epoch, partition }));
      this.#readTo.set(partition, toOffset);
    }
  }

  async #epoch(): Promise<number> {
    const [row] = await this.#query<{ epoch: number }>(
      'select max(epoch) as epoch from stream_topics where name = $1',
      [this.#world.docTopic],
    );
    return row!.epoch;
  }

  async #rows(roomIds: readonly string[]): Promise<StoredRow[]> {
    const rows = await this.#query<RawRow>(
      `select d.tenant_id, d.room_id, d.doc_id, d.subdoc_id, h.epoch, h.partition, h."offset", h.generation,
         h.sender_id, h.client_version, h.user_id, h.payload, h.repeat_of
       from update_history h join documents d on d.id = h.document_id where d.room_id = any($1)`,
      [roomIds],
    );
    return rows.map((row) => ({
      document: documentKey({
        tenantId: row.tenant_id,
        roomId: row.room_id,
        docId: row.doc_id,
        ...(row.subdoc_id === '' ? {} : { subdocId: row.subdoc_id }),
      }),
      epoch: row.epoch,
      partition: row.partition,
      offset: Number(row.offset),
      generation: Number(row.generation),
      senderId: row.sender_id,
      version: Number(row.client_version),
      userId: row.user_id ?? undefined,
      payload: row.payload ?? undefined,
      repeatOf: row.repeat_of === null ? undefined : Number(row.repeat_of),
    }));
  }

  async #quarantined(): Promise<QuarantinedRecord[]> {
    const rows = await this.#query<{
      epoch: number;
      partition: number;
      offset: string;
      document_key: string | null;
      headers: Record<string, string>;
    }>('select epoch, partition, "offset", document_key, headers from quarantined_records');
    return rows.map(({ epoch, partition, offset, document_key: document, headers }) => ({
      epoch,
      partition,
      offset: Number(offset),
      ...(document === null ? {} : { document }),
      ...(headers.s === undefined ? {} : { senderId: headers.s }),
      ...(headers.c === undefined ? {} : { version: Number(headers.c) }),
      ...(headers.g === undefined ? {} : { generation: Number(headers.g) }),
      ...(headers.u === undefined ? {} : { userId: headers.u }),
    }));
  }

  async #query<T>(text: string, values: unknown[] = []): Promise<T[]> {
    const client = new pg.Client({
      connectionString: this.#world.databaseUrl,
      connectionTimeoutMillis: 10_000,
    });
    // The server may be killed while the question is open: the query rejects, which is enough.
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query(text, values)).rows as T[];
    } finally {
      await client.end().catch(() => undefined); // the same
    }
  }
}

interface RawRow {
  tenant_id: string;
  room_id: string;
  doc_id: string;
  subdoc_id: string;
  epoch: number;
  partition: number;
  offset: string;
  generation: string;
  sender_id: string;
  client_version: string;
  user_id: string | null;
  payload: Uint8Array | null;
  repeat_of: string | null;
}

function toLogRecord(record: DeliveredRecord, at: { epoch: number; partition: number }): LogRecord {
  const place = { ...at, offset: record.offset };
  const entry = readLogEntry(record);
  if (!entry) return { ...place, kind: 'other' };
  const document = record.key;
  if (entry.kind === 'barrier') return { ...place, kind: 'barrier', document, generation: entry.generation };
  const { generation, senderId, clientVersion: version, payload } = entry;
  const { u: userId } = record.headers;
  return {
    ...place,
    kind: 'update',
    document,
    generation,
    senderId,
    version,
    payload,
    ...(userId === undefined ? {} : { userId }),
  };
}
