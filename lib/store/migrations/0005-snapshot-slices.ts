import { Migration } from '@mikro-orm/migrations';

/**
 * Large snapshots are read in slices. Of a compressed value each slice would unpack all that comes before it; those
 * that are there already stay as they are, slower to read, until the next snapshot takes their place.
 */
export class SnapshotSlicesMigration extends Migration {
  override up(): void {
    this.addSql(`alter table "document_snapshots" alter column "data" set storage external`);
  }

  override down(): void {
    this.addSql(`alter table "document_snapshots" alter column "data" set storage extended`);
  }
}
