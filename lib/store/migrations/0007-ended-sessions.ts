import { Migration } from '@mikro-orm/migrations';

/** Sessions that have ended before their access tokens have, for gateways that were not there to hear of it. */
export class EndedSessionsMigration extends Migration {
  override up(): void {
    this.addSql(
      `create table "ended_sessions" ("id" uuid not null, "expires_at" timestamptz(3) not null, primary key ("id"))`,
    );
    this.addSql(`create index "ended_sessions_expiry_index" on "ended_sessions" ("expires_at")`);
  }

  override down(): void {
    this.addSql(`drop table "ended_sessions"`);
  }
}
