import type { EntityManager, MikroORM } from '@mikro-orm/postgresql';
import type { Clock } from '../clock.ts';
import { migrate } from './migrate.ts';
import { startPglite, type PgliteHost } from './pglite.ts';
import { openOrm, PGLITE_ANSWER_LIMIT_MS, type PostgresStoreOptions } from './postgres-orm.ts';
import { SqlClient, wrapErrors } from './sql.ts';

/**
 * The database of a process: a PostgreSQL server or a PGlite of its own. Everything that stores in one process shares
 * it, since PGlite has one session.
 */
export class Database {
  /** Plain statements and transactions. */
  readonly client: SqlClient;
  readonly #orm: MikroORM;
  readonly #host: PgliteHost | undefined;
  readonly #clock: Clock;
  readonly #patience: { isPatient: boolean };
  #closed: Promise<void> | undefined;
  #asking: Promise<boolean> | undefined;

  private constructor(parts: {
    orm: MikroORM;
    host: PgliteHost | undefined;
    clock: Clock;
    patience: { isPatient: boolean };
  }) {
    this.#orm = parts.orm;
    this.#host = parts.host;
    this.#clock = parts.clock;
    this.#patience = parts.patience;
    this.client = new SqlClient(parts.orm);
  }

  /** Rejects with STORE_UNAVAILABLE when it cannot be opened. */
  static async open(options: PostgresStoreOptions): Promise<Database> {
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
      return new Database({ orm, host, clock, patience });
    } catch (error) {
      await host?.close();
      throw error;
    }
  }

  /** Brings the schema to its newest version. Any number of processes may do it at once. */
  async prepare(): Promise<void> {
    this.#patience.isPatient = true; // migrations wait for each other and take what they take
    try {
      await wrapErrors(() => migrate(this.#orm, this.client));
    } finally {
      this.#patience.isPatient = false;
    }
  }

  /**
   * Runs `work` in one transaction with an entity manager of its own; flushes and commits, or rolls back and rejects
   * with STORE_BAD_DATA (`data.sqlState`) or STORE_UNAVAILABLE. AppErrors pass through. Only the given entity manager
   * may be used inside: the pool may have one connection.
   */
  entities<T>(work: (em: EntityManager) => Promise<T>): Promise<T> {
    return this.client.controlled(async (transaction) => {
      const em = this.#orm.em.fork();
      em.setTransactionContext(transaction);
      const result = await work(em);
      await em.flush();
      return result;
    });
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

  /** Idempotent. */
  close(): Promise<void> {
    this.#closed ??= (async () => {
      await this.#orm.close(true);
      await this.#host?.close();
    })();
    return this.#closed;
  }

  #ask(): Promise<boolean> {
    return this.client.query('select 1').then(
      () => true,
      () => false, // the question is whether it answers; why not is logged by whoever needs it
    );
  }

  /** Questions that wait for the one connection would be more and more. */
  #askOnce(): Promise<boolean> {
    return (this.#asking ??= this.#ask().finally(() => (this.#asking = undefined)));
  }
}
