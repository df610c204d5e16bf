import { Migrator } from '@mikro-orm/migrations';
import { MikroORM } from '@mikro-orm/postgresql';
import type { Clock } from '../clock.ts';
import { failpoint } from '../failpoints.ts';
import type { Logger } from '../log.ts';
import type { DocumentId } from '../protocol/ids.ts';
import type { Position } from '../protocol/position.ts';
import type { VersionRanges } from '../protocol/ranges.ts';
import type { TopicIdentity } from '../stream/port.ts';
import { STORE_ENTITIES } from './entities.ts';
import { DEFAULT_STORE_LIMITS, type StoreLimits } from './limits.ts';
import { migrate } from './migrate.ts';
import { STORE_MIGRATIONS } from './migrations/index.ts';
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
import { openSocket } from './patient-socket.ts';
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

export interface PostgresStoreOptions {
  /** A PostgreSQL server: its URL, and the most connections to hold (default 8). */
  databaseUrl?: string;
  poolSize?: number;
  /** Or an embedded one: the folder of its data; `memory:` keeps nothing. Used when `databaseUrl` is missing. */
  dataDir?: string;
  logger: Logger;
  clock: Clock;
  limits?: StoreLimits;
}

const DEFAULT_POOL_SIZE = 8;
/**
 * An embedded database that has not answered a statement for so long has hung and is opened anew; in ms. It shares its
 * cores with everything else on a laptop, where a second of work may take a minute, and nobody gains by giving up.
 */
const PGLITE_ANSWER_LIMIT_MS = 300_000;
/** With the one connection of PGlite the wait for it is the queue of all calls; in ms. */
const PGLITE_CONNECT_TIMEOUT_MS = PGLITE_ANSWER_LIMIT_MS;

/** User and database of a PGlite; the driver wants an address, but its socket is in this process. */
const PGLITE_URL = 'postgresql://postgres@localhost:5432/postgres';

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

export interface OrmParts {
  host?: PgliteHost | undefined;
  /** Set while statements without a time limit run. */
  patience?: { isPatient: boolean };
}

/** The ordinary driver with the limits of a store on every connection. */
export function openOrm(options: PostgresStoreOptions, parts: OrmParts = {}): Promise<MikroORM> {
  const { host, patience } = parts;
  const { limits = DEFAULT_STORE_LIMITS } = options;
  const { statementTimeoutMs, lockTimeoutMs, idleInTransactionMs, connectTimeoutMs } = limits;
  const logger = options.logger.child({ part: 'store' });
  return MikroORM.init({
    clientUrl: host ? PGLITE_URL : options.databaseUrl!,
    entities: STORE_ENTITIES,
    extensions: [Migrator],
    migrations: { migrationsList: STORE_MIGRATIONS, snapshot: false, silent: true },
    ensureDatabase: false,
    pool: { min: 0, max: host ? 1 : (options.poolSize ?? DEFAULT_POOL_SIZE) },
    driverOptions: {
      application_name: 'y-kafka',
      connectionTimeoutMillis: host ? PGLITE_CONNECT_TIMEOUT_MS : connectTimeoutMs,
      keepAlive: true,
      // PGlite takes none of these at connect and needs none: it has one session, in this process.
      ...(host
        ? { idleTimeoutMillis: 0, stream: () => host.connect() }
        : {
            statement_timeout: statementTimeoutMs,
            lock_timeout: lockTimeoutMs,
            idle_in_transaction_session_timeout: idleInTransactionMs,
            stream: () => openSocket({ statementTimeoutMs, isPatient: () => patience?.isPatient === true }),
          }),
    },
    logger: (message) => logger.debug({ message }, 'database driver'),
    colors: false,
  });
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
