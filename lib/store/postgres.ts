import { Migrator } from '@mikro-orm/migrations';
import { MikroORM } from '@mikro-orm/postgresql';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { DocumentId } from '../protocol/ids.ts';
import type { Position } from '../protocol/position.ts';
import type { VersionRanges } from '../protocol/ranges.ts';
import type { TopicIdentity } from '../stream/port.ts';
import { STORE_ENTITIES } from './entities.ts';
import { migrate } from './migrate.ts';
import { STORE_MIGRATIONS } from './migrations/index.ts';
import { startPglite, type PgliteHost } from './pglite.ts';
import type {
  HistoryRow,
  IncomingBatch,
  LoadRequest,
  PersistenceAdapter,
  Snapshot,
  SnapshotDebt,
  StoredState,
  StoreResult,
} from './port.ts';
import { writeBatch } from './postgres-batch.ts';
import { readEpoch, writeEpoch } from './postgres-epochs.ts';
import { appendedVersions, exportRows, loadState, nextOffset } from './postgres-reads.ts';
import { debtOf, deleteSuperseded, oldestDebts, writeSnapshot } from './postgres-snapshots.ts';
import { SqlClient, wrapErrors } from './sql.ts';

export interface PostgresStoreOptions {
  /** A PostgreSQL server: its URL, and the most connections to hold (default 8). */
  databaseUrl?: string;
  poolSize?: number;
  /** Or an embedded one: the folder of its data; `memory:` keeps nothing. Used when `databaseUrl` is missing. */
  dataDir?: string;
  logger: Logger;
  clock: Clock;
}

const DEFAULT_POOL_SIZE = 8;
/** A statement that takes longer is given up and the batch tried again; in ms. */
const STATEMENT_TIMEOUT_MS = 30_000;
/** A lock is held for one batch, so a longer wait means that its holder hangs; in ms. */
const LOCK_TIMEOUT_MS = 5_000;
/** A process that was paused inside a transaction loses it, so that others can go on; in ms. */
const IDLE_IN_TRANSACTION_MS = 3_000;
/** How long a call may wait for a connection; with the one connection of PGlite this is its queue; in ms. */
const CONNECT_TIMEOUT_MS = 10_000;
const PGLITE_CONNECT_TIMEOUT_MS = 60_000;

/** User and database of a PGlite; the driver wants an address, but its socket is in this process. */
const PGLITE_URL = 'postgresql://postgres@localhost:5432/postgres';

/** A store in PostgreSQL, or in a PGlite of its own. Rejects with STORE_UNAVAILABLE when it cannot be made. */
export async function createPostgresStore(options: PostgresStoreOptions): Promise<PersistenceAdapter> {
  const host =
    options.databaseUrl === undefined
      ? await startPglite(options.dataDir === 'memory:' ? undefined : options.dataDir)
      : undefined;
  try {
    const orm = await wrapErrors(() => openOrm(options, host));
    return new PostgresStore({ orm, host, clock: options.clock });
  } catch (error) {
    await host?.close();
    throw error;
  }
}

/** The ordinary driver with the limits of a store on every connection. */
export function openOrm(options: PostgresStoreOptions, host?: PgliteHost): Promise<MikroORM> {
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
      connectionTimeoutMillis: host ? PGLITE_CONNECT_TIMEOUT_MS : CONNECT_TIMEOUT_MS,
      keepAlive: true,
      // PGlite takes none of these at connect and needs none: it has one session, in this process.
      ...(host
        ? { idleTimeoutMillis: 0, stream: () => host.connect() }
        : {
            statement_timeout: STATEMENT_TIMEOUT_MS,
            lock_timeout: LOCK_TIMEOUT_MS,
            idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
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
  #closed: Promise<void> | undefined;

  constructor(parts: { orm: MikroORM; host: PgliteHost | undefined; clock: Clock }) {
    this.#orm = parts.orm;
    this.#host = parts.host;
    this.#clock = parts.clock;
    this.#client = new SqlClient(parts.orm);
  }

  prepare(): Promise<void> {
    return wrapErrors(() => migrate(this.#orm, this.#client));
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

  storeBatch(batch: IncomingBatch): Promise<StoreResult> {
    return this.#client.transaction((sql) => writeBatch(sql, batch, this.#clock.wallTime()));
  }

  load(request: LoadRequest): Promise<StoredState> {
    return this.#client.transaction((sql) => loadState(sql, request), { snapshot: true });
  }

  appendedVersions(
    document: DocumentId,
    generation: number,
    sender: { senderId: string; epoch: number; throughOffset: number },
  ): Promise<VersionRanges> {
    return appendedVersions(this.#client.query.bind(this.#client), document, { ...sender, generation });
  }

  persistSnapshot(snapshot: Snapshot): Promise<boolean> {
    return this.#client.transaction((sql) => writeSnapshot(sql, snapshot, this.#clock.wallTime()));
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
    const [row] = await this.#client.query<{ n: string }>('select count(*) as n from quarantined_records');
    return Number(row!.n);
  }

  async ping(timeoutMs: number): Promise<boolean> {
    const answer = this.#client.query('select 1').then(
      () => true,
      () => false, // the question is whether it answers; why not is logged by whoever needs it
    );
    let timer: { cancel(): void } | undefined;
    const silence = new Promise<boolean>((resolve) => {
      timer = this.#clock.setTimeout(() => resolve(false), timeoutMs);
    });
    const result = await Promise.race([answer, silence]);
    timer?.cancel();
    return result;
  }

  close(): Promise<void> {
    this.#closed ??= (async () => {
      await this.#orm.close(true);
      await this.#host?.close();
    })();
    return this.#closed;
  }
}
