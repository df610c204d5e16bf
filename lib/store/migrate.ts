import type { MikroORM } from '@mikro-orm/postgresql';
import type { SqlClient } from './sql.ts';

/** Key of the advisory lock under which the schema is changed. */
const MIGRATION_LOCK = 7_211_000;

/**
 * Brings the schema to the newest migration. Any number of processes may do it at once: all but one wait.
 * The migrator's own table is made here, because the migrator makes it outside of the transaction it is
 * given, and with one connection that would wait for ever.
 */
export async function migrate(orm: MikroORM, client: SqlClient): Promise<void> {
  await client.transaction(async (sql) => {
    await sql(`select pg_advisory_xact_lock($1)`, [MIGRATION_LOCK]);
    await sql(
      `create table if not exists mikro_orm_migrations (id serial primary key, name varchar(255) not null,
         executed_at timestamptz not null default current_timestamp)`,
    );
  });
  await orm.migrator.getExecuted();
  await orm.em.transactional(async (em) => {
    const transaction = em.getTransactionContext();
    await em.execute('set local statement_timeout = 0');
    await em.execute('set local lock_timeout = 0');
    await em.execute(`select pg_advisory_xact_lock(${MIGRATION_LOCK})`);
    await orm.migrator.up({ transaction });
  });
}
