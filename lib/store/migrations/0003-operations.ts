import { Migration } from '@mikro-orm/migrations';

/** What operators decide: quarantined records that were replayed, and losses that were accepted. */
export class OperationsMigration extends Migration {
  override up(): void {
    this.addSql(`alter table "quarantined_records" add column "replayed_at" timestamptz(3) null`);
    this.addSql(
      `create table "accepted_losses" ("epoch" int not null, "partition" int not null, "from_offset" bigint not null, "to_offset" bigint not null, "at" timestamptz(3) not null default now(), primary key ("epoch", "partition", "from_offset"))`,
    );
  }

  override down(): void {
    this.addSql(`drop table "accepted_losses"`);
    this.addSql(`alter table "quarantined_records" drop column "replayed_at"`);
  }
}
