import { Migration } from '@mikro-orm/migrations';

/** The six tables of the log's copy. No foreign keys on rows: they come a thousand at a time and are never orphaned. */
export class InitialMigration extends Migration {
  override up(): void {
    this.addSql(
      `create table "documents" ("id" bigserial primary key, "tenant_id" text not null, "room_id" text not null, "doc_id" text not null, "subdoc_id" text not null default '', "generation" bigint not null default '1', "generation_start_epoch" int not null default 0, "generation_start_offset" bigint not null default '-1', "tombstone" boolean not null default false, "trimmed_through" bigint not null default '-1', "epoch" int not null default 0, "partition" int not null default 0, "updates_behind" int not null default 0, "bytes_behind" bigint not null default '0', "oldest_behind_at" timestamptz(3) null, "snapshot_bytes" bigint not null default '0')`,
    );
    this.addSql(
      `create index documents_behind_index on documents (oldest_behind_at) where updates_behind > 0`,
    );
    this.addSql(
      `alter table "documents" add constraint "documents_name_unique" unique ("tenant_id", "room_id", "doc_id", "subdoc_id")`,
    );
    this.addSql(
      `create table "document_snapshots" ("id" bigserial primary key, "document_id" bigint not null, "generation" bigint not null, "epoch" int not null, "partition" int not null, "through_offset" bigint not null, "data" bytea null, "storage_location" text null, "state_vector" bytea not null, "size_bytes" bigint not null, "created_at" timestamptz(3) not null default now())`,
    );
    this.addSql(
      `alter table "document_snapshots" add constraint "document_snapshots_position_unique" unique ("document_id", "generation", "epoch", "partition", "through_offset")`,
    );
    this.addSql(
      `create table "update_history" ("epoch" int not null, "partition" int not null, "offset" bigint not null, "document_id" bigint not null, "generation" bigint not null, "sender_id" text not null, "client_version" bigint not null, "user_id" text null, "at" timestamptz(3) not null, "metadata" jsonb not null, "connection_id" text null, "client_address" text null, "payload" bytea null, "repeat_of" bigint null, "repeat_of_epoch" int null, primary key ("epoch", "partition", "offset"))`,
    );
    this.addSql(
      `create index "update_history_document_index" on "update_history" ("document_id", "generation", "epoch", "offset")`,
    );
    this.addSql(
      `create unique index update_history_retry_key_unique on update_history (sender_id, client_version, document_id, generation, coalesce(user_id, '')) where repeat_of is null and client_version > 0`,
    );
    this.addSql(
      `create table "quarantined_records" ("epoch" int not null, "partition" int not null, "offset" bigint not null, "document_key" text null, "reason" text not null, "record_key" text not null, "headers" jsonb not null, "value" bytea not null, "at" timestamptz(3) not null default now(), primary key ("epoch", "partition", "offset"))`,
    );
    this.addSql(
      `create table "stream_topics" ("epoch" serial primary key, "name" text not null, "topic_id" text not null, "cluster_id" text not null, "partitions" int not null, "at" timestamptz(3) not null default now())`,
    );
    this.addSql(`create index "stream_topics_name_index" on "stream_topics" ("name", "epoch")`);
    this.addSql(
      `create table "stream_positions" ("consumer" text not null, "epoch" int not null, "partition" int not null, "next_offset" bigint not null default '0', primary key ("consumer", "epoch", "partition"))`,
    );
  }

  override down(): void {
    for (const table of [
      'documents',
      'document_snapshots',
      'update_history',
      'quarantined_records',
      'stream_topics',
      'stream_positions',
    ])
      this.addSql(`drop table "${table}"`);
  }
}
