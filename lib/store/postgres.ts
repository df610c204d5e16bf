import type { MikroORM } from '@mikro-orm/postgresql';
import type { Clock } from '../clock.ts';
import { failpoint } from '../failpoints.ts';
import type { DocumentId } from '../protocol/ids.ts';
import type { Position } from '../protocol/position.ts';
import type { VersionRanges } from '../protocol/ranges.ts';
import type { TopicIdentity } from '../stream/port.ts';
import { migrate } from './migrate.ts';
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
import { startPglite, type PgliteHost } from './pglite.ts';
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
import { openOrm, PGLITE_ANSWER_LIMIT_MS, type PostgresStoreOptions } from './postgres-orm.ts';
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
import { SqlClient, wrapErrors } from './sql.ts';

/** A store in PostgreSQL, or in a PGlite of its own. Rejects with STORE_UNAVAILABLE when it cannot be made. */
export async function createPostgresStore(options: PostgresStoreOptions): Promise<PersistenceAdapter> {
  const { clock, logger, dataDir } = options;
  const host =
    options.databaseUrl === undefined
      ? await startPglite({
          ...(dataDir === undefined || dataDir === 'memory:' ? {} : { dataDir }),
          answerLimitMs: PGLITE_ANSWER_LIMIT_MS,
          clock,
          logger,
        })
      : undefined;
  const patience = { isPatient: false };
  try {
    const orm = await wrapErrors(() => openOrm(options, { host, patience }));
    return new PostgresStore({ orm, host, clock, patience });
  } catch (error) {
    await host?.close();
    throw error;
  }
}

class PostgresStore implements PersistenceAdapter {
  readonly #orm: MikroORM;
  readonly #host: PgliteHost | undefined;
  readonly #clock: Clock;
  readonly #client: SqlClient;
  readonly #patience: { isPatient: boolean };
  #closed: Promise<void> | undefined;
  #asking: Promise<boolean> | undefined;

  constructor(parts: {
    orm: MikroORM;
    host: PgliteHost | undefined;
    clock: Clock;
    patience: { isPatient: boolean };
  }) {
    this.#orm = parts.orm;
    this.#patience = parts.patience;
    this.#host = parts.host;
    this.#clock = parts.clock;
    this.#client = new SqlClient(parts.orm);
  }

  async prepare(): Promise<void> {
    this.#patience.isPatient = true; // migrations wait for each other and take what they take
    try {
      await wrapErrors(() => migrate(this.#orm, this.#client));
    } finally {
      this.#patience.isPatient = false;
    }
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

  async ping(timeoutMs: number): Promise<boolean> {
    const answer = this.#host ? this.#askOnce() : this.#ask();
    let timer: { cancel(): void } | undefined;
    const silence = new Promise<boolean>((resolve) => {
      // With one connection the question waits behind all work: slow is not away.
      timer = this.#clock.setTimeout(() => resolve(this.#host?.isAlive() === true), timeoutMs);
    });
    const result = await Promise.race([answer, silence]);
    timer?.cancel();
    return result;
  }

  #ask(): Promise<boolean> {
    return this.#client.query('select 1').then(
      () => true,
      () => false, // the question is whether it answers; why not is logged by whoever needs it
    );
  }

  /** Questions that wait for the one connection would be more and more. */
  #askOnce(): Promise<boolean> {
    return (this.#asking ??= this.#ask().finally(() => (this.#asking = undefined)));
  }

  close(): Promise<void> {
    this.#closed ??= (async () => {
      await this.#orm.close(true);
      await this.#host?.close();
    })();
    return this.#closed;
  }
}
