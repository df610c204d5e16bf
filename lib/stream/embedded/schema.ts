import type { DatabaseSync } from 'node:sqlite';
import { AppError } from '../../errors.ts';

const APPLICATION_ID = 0x796b6166;
const SCHEMA_VERSION = 1;
const SCHEMA = `
  CREATE TABLE cluster (id TEXT NOT NULL) STRICT;
  CREATE TABLE topics (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, topic_id TEXT NOT NULL,
    kind TEXT NOT NULL, partitions INTEGER NOT NULL) STRICT;
  CREATE TABLE partitions (
    id INTEGER PRIMARY KEY, topic INTEGER NOT NULL REFERENCES topics, partition INTEGER NOT NULL,
    start_offset INTEGER NOT NULL DEFAULT 0, reserved_offset INTEGER NOT NULL DEFAULT 0,
    UNIQUE (topic, partition)) STRICT;
  CREATE TABLE records (
    position INTEGER PRIMARY KEY, timestamp_ms INTEGER NOT NULL,
    key TEXT NOT NULL, headers TEXT NOT NULL, value BLOB NOT NULL) STRICT;
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SCHEMA_VERSION};
`;

/** Makes the tables of a new file, checks those of an old one (BAD_CONFIG); the cluster id. */
export function prepareSchema(db: DatabaseSync, newId: () => string): string {
  const { application_id: application } = db.prepare('PRAGMA application_id').get() as {
    application_id: number;
  };
  const { user_version: version } = db.prepare('PRAGMA user_version').get() as { user_version: number };
  if (application === 0 && version === 0) {
    db.exec(SCHEMA);
    db.prepare('INSERT INTO cluster VALUES (?)').run(newId());
  } else if (application !== APPLICATION_ID || version !== SCHEMA_VERSION) {
    throw new AppError('BAD_CONFIG', {
      message: `The file is no log of this version: application ${application}, version ${version}.`,
    });
  }
  return (db.prepare('SELECT id FROM cluster').get() as { id: string }).id;
}
