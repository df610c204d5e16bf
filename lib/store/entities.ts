import { defineEntity, p } from '@mikro-orm/core';
import { ACCOUNT_ENTITIES } from '../accounts/entities.ts';

/**
 * The tables of the store. Migrations make them; a test holds that both say the same. Rows are written
 * in bulk by SQL (postgres-batch.ts), the few that are read one at a time go through the entity manager.
 */

/** A document that the log has named; its generation, and what lies behind its newest snapshot. */
export const DocumentEntity = defineEntity({
  name: 'Document',
  tableName: 'documents',
  uniques: [{ name: 'documents_name_unique', properties: ['tenantId', 'roomId', 'docId', 'subdocId'] }],
  indexes: [
    {
      name: 'documents_behind_index',
      expression:
        'create index documents_behind_index on documents (oldest_behind_at) where updates_behind > 0',
    },
  ],
  properties: {
    id: p.bigint('number').primary().autoincrement(),
    tenantId: p.text(),
    roomId: p.text(),
    docId: p.text(),
    /** '' for a document that is no subdocument: NULLs would not be unique. */
    subdocId: p.text().default(''),
    generation: p.bigint('number').default(1),
    /** Where the generation's barrier stands; -1 in epoch 0 when there was none. */
    generationStartEpoch: p.integer().default(0),
    generationStartOffset: p.bigint('number').default(-1),
    /** Set by a barrier that deletes, taken away by the next one. */
    tombstone: p.boolean().default(false),
    /** Content of this generation or an earlier one was deleted; 0 = none. */
    deletedGeneration: p.bigint('number').default(0),
    /** Rows through this offset were moved to a verified archive; -1 = none. */
    trimmedThrough: p.bigint('number').default(-1),
    /** Where its last record was stored. */
    epoch: p.integer().default(0),
    partition: p.integer().default(0),
    updatesBehind: p.integer().default(0),
    bytesBehind: p.bigint('number').default(0),
    oldestBehindAt: p.datetime(3).columnType('timestamptz(3)').nullable(),
    snapshotBytes: p.bigint('number').default(0),
  },
});

export const SnapshotEntity = defineEntity({
  name: 'DocumentSnapshot',
  tableName: 'document_snapshots',
  uniques: [
    {
      name: 'document_snapshots_position_unique',
      properties: ['documentId', 'generation', 'epoch', 'partition', 'throughOffset'],
    },
  ],
  properties: {
    id: p.bigint('number').primary().autoincrement(),
    documentId: p.bigint('number'),
    generation: p.bigint('number'),
    epoch: p.integer(),
    partition: p.integer(),
    throughOffset: p.bigint('number'),
    data: p.uint8array().nullable(),
    /** Where the data is when it is not in the row. */
    storageLocation: p.text().nullable(),
    stateVector: p.uint8array(),
    sizeBytes: p.bigint('number'),
    createdAt: p.datetime(3).columnType('timestamptz(3)').defaultRaw('now()'),
  },
});

/** One row for each update in the log; of repeats only the first has a payload. */
export const UpdateEntity = defineEntity({
  name: 'Update',
  tableName: 'update_history',
  indexes: [
    { name: 'update_history_document_index', properties: ['documentId', 'generation', 'epoch', 'offset'] },
    {
      // The database itself refuses a second payload of one retry key. Version 0 means "not counted".
      name: 'update_history_retry_key_unique',
      expression:
        "create unique index update_history_retry_key_unique on update_history (sender_id, client_version, document_id, generation, coalesce(user_id, '')) where repeat_of is null and client_version > 0",
    },
  ],
  properties: {
    epoch: p.integer().primary(),
    partition: p.integer().primary(),
    offset: p.bigint('number').primary(),
    documentId: p.bigint('number'),
    generation: p.bigint('number'),
    senderId: p.text(),
    clientVersion: p.bigint('number'),
    userId: p.text().nullable(),
    at: p.datetime(3).columnType('timestamptz(3)'),
    metadata: p.json<Record<string, unknown>>(),
    connectionId: p.text().nullable(),
    clientAddress: p.text().nullable(),
    payload: p.uint8array().nullable(),
    repeatOf: p.bigint('number').nullable(),
    /** The epoch that `repeatOf` counts in: a repeat may come after a topic was made again. */
    repeatOfEpoch: p.integer().nullable(),
  },
});

/** One row for each barrier that counted; with a deletion the evidence of what it removed. Never content. */
export const GenerationEntity = defineEntity({
  name: 'DocumentGeneration',
  tableName: 'document_generations',
  indexes: [
    {
      name: 'document_generations_removal_index',
      expression:
        "create index document_generations_removal_index on document_generations (document_id, generation) where reason = 'deleted' and removed_at is null",
    },
  ],
  properties: {
    documentId: p.bigint('number').primary(),
    generation: p.bigint('number').primary(),
    reason: p.text(),
    epoch: p.integer(),
    partition: p.integer(),
    offset: p.bigint('number'),
    operationKey: p.text().nullable(),
    senderId: p.text().nullable(),
    userId: p.text().nullable(),
    at: p.datetime(3).columnType('timestamptz(3)').nullable(),
    parts: p.integer().nullable(),
    removedRows: p.bigint('number').default(0),
    removedBytes: p.bigint('number').default(0),
    removedSnapshots: p.bigint('number').default(0),
    removedQuarantined: p.bigint('number').default(0),
    removedAt: p.datetime(3).columnType('timestamptz(3)').nullable(),
  },
});

/** Records that nobody can use, with their bytes. */
export const QuarantineEntity = defineEntity({
  name: 'QuarantinedRecord',
  tableName: 'quarantined_records',
  indexes: [
    {
      name: 'quarantined_records_document_index',
      expression:
        'create index quarantined_records_document_index on quarantined_records (document_key) where document_key is not null',
    },
  ],
  properties: {
    epoch: p.integer().primary(),
    partition: p.integer().primary(),
    offset: p.bigint('number').primary(),
    documentKey: p.text().nullable(),
    reason: p.text(),
    recordKey: p.text(),
    headers: p.json<Record<string, string>>(),
    value: p.uint8array(),
    at: p.datetime(3).columnType('timestamptz(3)').defaultRaw('now()'),
    /** When it was stored as an update after all. */
    replayedAt: p.datetime(3).columnType('timestamptz(3)').nullable(),
  },
});

/** Records that were never stored and that an operator has given up. */
export const LossEntity = defineEntity({
  name: 'AcceptedLoss',
  tableName: 'accepted_losses',
  properties: {
    epoch: p.integer().primary(),
    partition: p.integer().primary(),
    fromOffset: p.bigint('number').primary(),
    toOffset: p.bigint('number'),
    at: p.datetime(3).columnType('timestamptz(3)').defaultRaw('now()'),
  },
});

/** One row for each identity that a topic has had; the highest epoch of a name is the valid one. */
export const TopicEntity = defineEntity({
  name: 'StreamTopic',
  tableName: 'stream_topics',
  indexes: [{ name: 'stream_topics_name_index', properties: ['name', 'epoch'] }],
  properties: {
    epoch: p.integer().primary().autoincrement(),
    name: p.text(),
    topicId: p.text(),
    clusterId: p.text(),
    partitions: p.integer(),
    at: p.datetime(3).columnType('timestamptz(3)').defaultRaw('now()'),
  },
});

/** The next offset of each consumer; locked by the transaction that moves it. */
export const PositionEntity = defineEntity({
  name: 'StreamPosition',
  tableName: 'stream_positions',
  properties: {
    consumer: p.text().primary(),
    epoch: p.integer().primary(),
    partition: p.integer().primary(),
    nextOffset: p.bigint('number').default(0),
  },
});

export const STORE_ENTITIES = [
  DocumentEntity,
  SnapshotEntity,
  UpdateEntity,
  GenerationEntity,
  QuarantineEntity,
  LossEntity,
  TopicEntity,
  PositionEntity,
];

/** All tables of the database. */
export const ENTITIES = [...STORE_ENTITIES, ...ACCOUNT_ENTITIES];
