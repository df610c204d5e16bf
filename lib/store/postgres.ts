import type { Clock } from '../clock.ts';
import { failpoint } from '../failpoints.ts';
import type { DocumentId } from '../protocol/ids.ts';
import type { Position } from '../protocol/position.ts';
import type { VersionRanges } from '../protocol/ranges.ts';
import type { TopicIdentity } from '../stream/port.ts';
import { Database } from './database.ts';
import type {
  AcceptedLoss,
  DocumentQuery,
  QuarantinedRecord,
  QuarantinedSummary,
  QuarantineQuery,
  RecordPlace,
  ReplayResult,
  StoredDocument,
} from './operations.ts';
import type {
  DocumentLifecycle,
  HistoryRow,
  IncomingBatch,
  IncomingUpdate,
  LoadRequest,
  PersistenceAdapter,
  RemovalStep,
  SenderQuery,
  Snapshot,
  SnapshotDebt,
  StoredState,
  StoreResult,
} from './port.ts';
import { writeBatch } from './postgres-batch.ts';
import { readLifecycle, removeStep } from './postgres-lifecycle.ts';
import { readEpoch, writeEpoch } from './postgres-epochs.ts';
import type { PostgresStoreOptions } from './postgres-orm.ts';
import { listQuarantined, markReplayed, readQuarantined, replay, setAside } from './postgres-quarantine.ts';
import { acceptLoss, findStored, listDocuments, listLosses } from './postgres-recovery.ts';
import { appendedVersions, exportRows, loadState, nextOffset } from './postgres-reads.ts';
import {
  debtOf,
  deleteSuperseded,
  oldestDebts,
  replaceSnapshots,
  writeSnapshot,
} from './postgres-snapshots.ts';
import type { SqlClient } from './sql.ts';

/** A store in PostgreSQL, or in a PGlite of its own. Rejects with STORE_UNAVAILABLE when it cannot be made. */
export async function createPostgresStore(options: PostgresStoreOptions): Promise<PersistenceAdapter> {
  return createStoreOn(await Database.open(options), options.clock);
}

/** The store of a process that uses the database for other things too; it is closed with the store. */
export function createStoreOn(database: Database, clock: Clock): PersistenceAdapter {
  return new PostgresStore(database, clock);
}

class PostgresStore implements PersistenceAdapter {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #client: SqlClient;

  constructor(database: Database, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
    this.#client = database.client;
  }

  prepare(): Promise<void> {
    return this.#database.prepare();
  }

  epochOf(identity: TopicIdentity): Promise<number> {
    return this.#client.transaction((sql) => readEpoch(sql, identity));
  }

  adoptEpoch(identity: TopicIdentity): Promise<number> {
    return this.#client.transaction((sql) => writeEpoch(sql, identity));
  }

  nextOffset(consumer: string, epoch: number, partition: number): Promise<number> {
    return nextOffset(this.#client.query.bind(this.#client), consumer, { epoch, partition });
  }

  async storeBatch(batch: IncomingBatch): Promise<StoreResult> {
    const result = await this.#client.transaction((sql) => writeBatch(sql, batch));
    failpoint('commit:after');
    return result;
  }

  load(request: LoadRequest): Promise<StoredState> {
    return this.#client.transaction((sql) => loadState(sql, request), { snapshot: true });
  }

  appendedVersions(document: DocumentId, generation: number, sender: SenderQuery): Promise<VersionRanges> {
    return appendedVersions(this.#client.query.bind(this.#client), document, { ...sender, generation });
  }

  persistSnapshot(snapshot: Snapshot): Promise<boolean> {
    return this.#client.transaction((sql) => writeSnapshot(sql, snapshot));
  }

  snapshotDebts(limit: number): Promise<SnapshotDebt[]> {
    return oldestDebts(this.#client.query.bind(this.#client), limit);
  }

  snapshotDebt(document: DocumentId): Promise<SnapshotDebt | undefined> {
    return debtOf(this.#client.query.bind(this.#client), document);
  }

  exportHistory(document: DocumentId, since?: Position): AsyncIterable<HistoryRow> {
    return exportRows(this.#client, document, since);
  }

  trimSnapshots(): Promise<number> {
    return deleteSuperseded(this.#client.query.bind(this.#client));
  }

  async countQuarantined(): Promise<number> {
    const [row] = await this.#client.query<{ n: string }>(
      'select count(*) as n from quarantined_records where replayed_at is null',
    );
    return Number(row!.n);
  }

  listQuarantined(query: QuarantineQuery): Promise<QuarantinedSummary[]> {
    return listQuarantined(this.#client.query.bind(this.#client), query);
  }

  readQuarantined(place: RecordPlace): Promise<QuarantinedRecord | undefined> {
    return readQuarantined(this.#client.query.bind(this.#client), place);
  }

  quarantineStored(document: DocumentId, places: readonly RecordPlace[]): Promise<number> {
    return this.#client.transaction(async (sql) => {
      let added = 0;
      for (const place of places) if (await setAside(sql, { document, place })) added++;
      return added;
    });
  }

  replayQuarantined(place: RecordPlace, update: IncomingUpdate): Promise<ReplayResult> {
    return this.#client.transaction((sql) => replay(sql, { place, update }));
  }

  markReplayed(place: RecordPlace): Promise<void> {
    const nowMs = this.#clock.wallTime();
    return markReplayed(this.#client.query.bind(this.#client), { place, nowMs });
  }

  acceptLoss(loss: Omit<AcceptedLoss, 'atMs'>): Promise<boolean> {
    const nowMs = this.#clock.wallTime();
    return this.#client.transaction((sql) => acceptLoss(sql, { loss, nowMs }));
  }

  acceptedLosses(limit: number): Promise<AcceptedLoss[]> {
    return listLosses(this.#client.query.bind(this.#client), limit);
  }

  findStored(document: DocumentId): Promise<StoredDocument | undefined> {
    return findStored(this.#client.query.bind(this.#client), document);
  }

  documents(query: DocumentQuery): Promise<StoredDocument[]> {
    return listDocuments(this.#client.query.bind(this.#client), query);
  }

  replaceSnapshots(snapshot: Snapshot): Promise<boolean> {
    return this.#client.transaction((sql) => replaceSnapshots(sql, snapshot));
  }

  lifecycle(request: Omit<LoadRequest, 'sinceOffset'>): Promise<DocumentLifecycle> {
    return this.#client.transaction((sql) => readLifecycle(sql, request), { snapshot: true });
  }

  removeDeleted(maxRows: number): Promise<RemovalStep | undefined> {
    const nowMs = this.#clock.wallTime();
    return this.#client.transaction((sql) => removeStep(sql, { maxRows, nowMs }));
  }

  ping(timeoutMs: number): Promise<boolean> {
    return this.#database.ping(timeoutMs);
  }

  close(): Promise<void> {
    return this.#database.close();
  }
}
