import { int, KB, MB, SECOND, type Setting } from './config-settings.ts';

/** Settings of joins, codec and store; rows of the one schema in config.ts. */
export const SERVICE_SETTINGS = {
  tailBytes: int(
    'YKAFKA_TAIL_BYTES',
    16 * MB,
    { min: MB, max: 1024 * MB },
    'Most of a partition’s log that a join reads behind the store.',
  ),
  syncCacheBytes: int(
    'YKAFKA_SYNC_CACHE_BYTES',
    128 * MB,
    { min: 0, max: 16 * 1024 * MB },
    'Bytes of document states that fastsync keeps.',
  ),
  inlineAnswerBytes: int(
    'YKAFKA_INLINE_ANSWER_BYTES',
    64 * KB,
    { min: KB, max: 512 * KB },
    'Larger results travel over the internal HTTP listener.',
  ),
  ticketTtlMs: int(
    'YKAFKA_TICKET_TTL_MS',
    30 * SECOND,
    { min: SECOND, max: 600 * SECOND },
    'How long a result waits to be fetched.',
  ),
  codecThreads: int('YKAFKA_CODEC_THREADS', 1, { min: 1, max: 64 }, 'Worker threads of one codec pool.'),
  codecQueue: int(
    'YKAFKA_CODEC_QUEUE',
    1000,
    { min: 1, max: 1_000_000 },
    'Tasks that may wait for a worker thread.',
  ),
  codecTimeoutMs: int(
    'YKAFKA_CODEC_TIMEOUT_MS',
    30 * SECOND,
    { min: 100, max: 600 * SECOND },
    'Time limit of a task, for each 16 MB that it works on; then the thread is killed.',
  ),
  embeddedTailRecords: int(
    'YKAFKA_EMBEDDED_TAIL_RECORDS',
    10_000,
    { min: 100, max: 100_000_000 },
    'Records of each partition that the embedded log keeps when they have been stored; older ones are in the database alone.',
  ),
  snapshotUpdates: int(
    'YKAFKA_SNAPSHOT_UPDATES',
    500,
    { min: 1, max: 1_000_000 },
    'Updates behind the snapshot that make a new one.',
  ),
  snapshotBytes: int(
    'YKAFKA_SNAPSHOT_BYTES',
    256 * KB,
    { min: KB, max: 1024 * MB },
    'Bytes behind the snapshot that make a new one; grows with the document.',
  ),
  snapshotAgeMs: int(
    'YKAFKA_SNAPSHOT_AGE_MS',
    60 * SECOND,
    { min: SECOND, max: 86_400 * SECOND },
    'Age of the oldest update behind the snapshot that makes a new one.',
  ),
  snapshotBurstMs: int(
    'YKAFKA_SNAPSHOT_BURST_MS',
    5 * SECOND,
    { min: 0, max: 3_600 * SECOND },
    'While the oldest update behind the snapshot is younger, eight times as many updates and bytes make a new one: a document that changes fast is not written again several times a second.',
  ),
  storeDelayMs: int(
    'YKAFKA_STORE_DELAY_MS',
    250,
    { min: 0, max: 10 * SECOND },
    'How long new records may wait for others with which they are stored in one transaction.',
  ),
  storeStatementTimeoutMs: int(
    'YKAFKA_STORE_STATEMENT_TIMEOUT_MS',
    15 * SECOND,
    { min: 100, max: 600 * SECOND },
    'Time limit of a statement in PostgreSQL; a connection that is silent for 2 s more is cut.',
  ),
  storeLockTimeoutMs: int(
    'YKAFKA_STORE_LOCK_TIMEOUT_MS',
    5 * SECOND,
    { min: 100, max: 600 * SECOND },
    'Time limit of waiting for a lock in PostgreSQL.',
  ),
  storeIdleInTransactionMs: int(
    'YKAFKA_STORE_IDLE_IN_TRANSACTION_MS',
    3 * SECOND,
    { min: 100, max: 600 * SECOND },
    'A process that pauses for longer inside a transaction loses it, so that others can go on.',
  ),
  storeConnectTimeoutMs: int(
    'YKAFKA_STORE_CONNECT_TIMEOUT_MS',
    5 * SECOND,
    { min: 100, max: 600 * SECOND },
    'How long a call may wait for a connection to PostgreSQL.',
  ),
  requestTimeoutMs: int(
    'YKAFKA_REQUEST_TIMEOUT_MS',
    10 * SECOND,
    { min: 500, max: 300 * SECOND },
    'Time limit of a call between services.',
  ),
} satisfies Record<string, Setting<unknown>>;
