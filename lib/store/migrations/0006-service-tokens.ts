import { Migration } from '@mikro-orm/migrations';

/** Which tokens of servers there are, so that they can be listed, and revoked before they end. */
export class ServiceTokensMigration extends Migration {
  override up(): void {
    this.addSql(
      `create table "service_tokens" ("id" uuid not null, "name" text not null, "tenant_id" text not null, "rooms" jsonb not null, "created_at" timestamptz(3) not null, "expires_at" timestamptz(3) not null, "revoked_at" timestamptz(3) null, primary key ("id"))`,
    );
  }

  override down(): void {
    this.addSql(`drop table "service_tokens"`);
  }
}
