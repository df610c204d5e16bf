import { Migrator } from '@mikro-orm/migrations';
import { MikroORM } from '@mikro-orm/postgresql';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import { ENTITIES } from './entities.ts';
import { DEFAULT_STORE_LIMITS, type StoreLimits } from './limits.ts';
import { STORE_MIGRATIONS } from './migrations/index.ts';
import { openSocket } from './patient-socket.ts';
import type { PgliteHost } from './pglite.ts';

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
export const PGLITE_ANSWER_LIMIT_MS = 300_000;
/** With the one connection of PGlite the wait for it is the queue of all calls; in ms. */
const PGLITE_CONNECT_TIMEOUT_MS = PGLITE_ANSWER_LIMIT_MS;

/** User and database of a PGlite; the driver wants an address, but its socket is in this process. */
const PGLITE_URL = 'postgresql://postgres@localhost:5432/postgres';

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
    entities: ENTITIES,
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
