import type { MikroORM } from '@mikro-orm/postgresql';
import { CompiledQuery, type Kysely, type Transaction } from 'kysely';
import { AppError, isAppError } from '../errors.ts';

export type Row = Record<string, unknown>;

/** Runs statements with bound parameters: the ORM's own `execute` writes them into the text, too slow for bytes. */
export interface Sql {
  <T = Row>(text: string, params?: readonly unknown[]): Promise<T[]>;
}

export interface TransactionOptions {
  /** REPEATABLE READ READ ONLY: everything read is of one moment. */
  snapshot?: boolean;
}

/** The connection of an ORM as plain statements and transactions. Rejects with STORE_BAD_DATA or STORE_UNAVAILABLE. */
export class SqlClient {
  readonly #orm: MikroORM;

  constructor(orm: MikroORM) {
    this.#orm = orm;
  }

  async query<T = Row>(text: string, params: readonly unknown[] = []): Promise<T[]> {
    return wrapErrors(async () => {
      const connection = this.#orm.em.getConnection();
      await connection.ensureConnection();
      return sqlOn(connection.getClient())<T>(text, params);
    });
  }

  /** Commits what `work` did, or rolls back and rejects. Inside, only the given `sql` may be used. */
  async transaction<T>(work: (sql: Sql) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    return this.controlled((transaction) => work(sqlOn(transaction)), options);
  }

  /**
   * The same with Kysely's transaction itself. Inside, nothing else may be used: the pool may have one connection.
   * Not by the ORM's own `transactional`: when the session has died, its rollback fails and never gives the
   * connection back, until the pool is empty.
   */
  async controlled<T>(
    work: (transaction: Transaction<unknown>) => Promise<T>,
    options: TransactionOptions = {},
  ): Promise<T> {
    return wrapErrors(async () => {
      const connection = this.#orm.em.getConnection();
      await connection.ensureConnection();
      let builder = connection.getClient<unknown>().transaction();
      if (options.snapshot) builder = builder.setIsolationLevel('repeatable read').setAccessMode('read only');
      return builder.execute(work);
    });
  }
}

export function sqlOn(client: Kysely<unknown>): Sql {
  return async <T>(text: string, params: readonly unknown[] = []) => {
    const result = await client.executeQuery(CompiledQuery.raw(text, [...params]));
    return result.rows as T[];
  };
}

/** SQLSTATE of an error or of its cause, if it has one. */
function sqlStateOf(error: unknown): string | undefined {
  for (let e = error; typeof e === 'object' && e !== null; e = (e as { cause?: unknown }).cause) {
    const code = (e as { code?: unknown }).code;
    // Each has a digit, which codes of the system like EPIPE have not.
    if (typeof code === 'string' && /^(?=.*\d)[0-9A-Z]{5}$/.test(code)) return code;
  }
  return undefined;
}

/** Classes 22 (data exception) and 23 (constraint) say that this data never fits; anything else is infrastructure. */
export async function wrapErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isAppError(error)) throw error;
    const state = sqlStateOf(error);
    const type = state !== undefined && /^2[23]/.test(state) ? 'STORE_BAD_DATA' : 'STORE_UNAVAILABLE';
    throw new AppError(type, { cause: error, data: state === undefined ? {} : { sqlState: state } });
  }
}
