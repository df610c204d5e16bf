import { Migration } from '@mikro-orm/migrations';

/** Generations with what began them, and what a deletion has removed: the evidence that stays without content. */
export class LifecycleMigration extends Migration {
  override up(): void {
    this.addSql(`alter table "documents" add column "deleted_generation" bigint not null default '0'`);
    this.addSql(
      `create table "document_generations" ("document_id" bigint not null, "generation" bigint not null, "reason" text not null, "epoch" int not null, "partition" int not null, "offset" bigint not null, "operation_key" text null, "sender_id" text null, "user_id" text null, "at" timestamptz(3) null, "parts" int null, "removed_rows" bigint not null default '0', "removed_bytes" bigint not null default '0', "removed_snapshots" bigint not null default '0', "removed_quarantined" bigint not null default '0', "removed_at" timestamptz(3) null, primary key ("document_id", "generation"))`,
    );
    this.addSql(
      `create index document_generations_removal_index on document_generations (document_id, generation) where reason = 'deleted' and removed_at is null`,
    );
    this.addSql(
      `create index quarantined_records_document_index on quarantined_records (document_key) where document_key is not null`,
    );
    // Deletions from before: their content goes too.
    this.addSql(
      `insert into document_generations (document_id, generation, reason, epoch, partition, "offset")
         select id, generation, 'deleted', generation_start_epoch, partition, generation_start_offset
         from documents where tombstone`,
    );
    this.addSql(`update documents set deleted_generation = generation where tombstone`);
  }

  override down(): void {
    this.addSql(`drop index quarantined_records_document_index`);
    this.addSql(`drop table "document_generations"`);
    this.addSql(`alter table "documents" drop column "deleted_generation"`);
  }
}
