import { int, KB, MB, SECOND, text, type Setting } from './config-settings.ts';

/** What a gateway takes, holds and waits for; rows of the one schema in config.ts. */
export const LIMIT_SETTINGS = {
  maxMetadataBytes: int(
    'YKAFKA_MAX_METADATA_BYTES',
    4 * KB,
    { min: 512, max: 60 * KB },
    'Limit of an envelope’s metadata.',
  ),
  maxUpdateBytes: int('YKAFKA_MAX_UPDATE_BYTES', 8 * MB, { min: KB, max: 64 * MB }, 'Limit of one update.'),
  maxFrameBytes: int(
    'YKAFKA_MAX_FRAME_BYTES',
    256 * KB,
    { min: 4 * KB, max: 900 * KB },
    'Limit of one frame; larger ones travel as chunks.',
  ),
  maxDocumentsPerSocket: int(
    'YKAFKA_MAX_DOCUMENTS_PER_SOCKET',
    200,
    { min: 1, max: 100_000 },
    'Documents that a connection may have joined.',
  ),
  maxQueueBytes: int(
    'YKAFKA_MAX_QUEUE_BYTES',
    4 * MB,
    { min: 64 * KB, max: 256 * MB },
    'Bytes that wait for one socket before its documents are served by resume.',
  ),
  maxUnacked: int(
    'YKAFKA_MAX_UNACKED',
    256,
    { min: 1, max: 100_000 },
    'Updates of one document and client that may wait for their ack.',
  ),
  maxUnackedBytes: int(
    'YKAFKA_MAX_UNACKED_BYTES',
    32 * MB,
    { min: MB, max: 1024 * MB },
    'Bytes of updates of one connection that may wait for their acks.',
  ),
  connectionUpdatesPerSecond: int(
    'YKAFKA_CONNECTION_UPDATES_PER_SECOND',
    2_000,
    { min: 0, max: 10_000_000 },
    'Updates that one connection may send in a second, after a burst of five seconds’ worth; 0 for any number.',
  ),
  connectionBytesPerSecond: int(
    'YKAFKA_CONNECTION_BYTES_PER_SECOND',
    16 * MB,
    { min: 0, max: 1024 * MB },
    'Bytes of updates that one connection may send in a second; burst and 0 as above.',
  ),
  roomUpdatesPerSecond: int(
    'YKAFKA_ROOM_UPDATES_PER_SECOND',
    10_000,
    { min: 0, max: 10_000_000 },
    'Updates that one gateway takes for one room in a second; burst and 0 as above.',
  ),
  roomBytesPerSecond: int(
    'YKAFKA_ROOM_BYTES_PER_SECOND',
    32 * MB,
    { min: 0, max: 1024 * MB },
    'Bytes of updates that one gateway takes for one room in a second; burst and 0 as above.',
  ),
  documentFramesPerSecond: int(
    'YKAFKA_DOCUMENT_FRAMES_PER_SECOND',
    4_000,
    { min: 0, max: 10_000_000 },
    'Frames in which one gateway sends one document to all who have it open in a second; beyond it updates go together, at most 25 ms later; 0 for any number.',
  ),
  connectionJoinsPerSecond: int(
    'YKAFKA_CONNECTION_JOINS_PER_SECOND',
    200,
    { min: 0, max: 1_000_000 },
    'Joins that one connection may ask for in a second; burst and 0 as above.',
  ),
  connectionPresencePerSecond: int(
    'YKAFKA_CONNECTION_PRESENCE_PER_SECOND',
    60,
    { min: 0, max: 100_000 },
    'Cursors, selections and viewports that one connection may show in a second; of more the latest is shown later; burst and 0 as above.',
  ),
  redisUrl: text(
    'REDIS_URL',
    '',
    'Redis (or what speaks like it) that gateways share: who is in which room, what was decided about rights. To be trusted like the database.',
    { secret: true, pattern: /^(rediss?:\/\/.+)?$/ },
  ),
  ringBytes: int(
    'YKAFKA_RING_BYTES',
    256 * KB,
    { min: 4 * KB, max: 64 * MB },
    'Last entries that a gateway keeps of each hosted document.',
  ),
  producerBufferBytes: int(
    'YKAFKA_PRODUCER_BUFFER_BYTES',
    64 * MB,
    { min: MB, max: 1024 * MB },
    'Bytes that may wait to be appended in one process.',
  ),
  appendTimeoutMs: int(
    'YKAFKA_APPEND_TIMEOUT_MS',
    5 * SECOND,
    { min: 100, max: 120 * SECOND },
    'After this a client is told that its update is not known durable.',
  ),
  joinTimeoutMs: int(
    'YKAFKA_JOIN_TIMEOUT_MS',
    15 * SECOND,
    { min: 500, max: 300 * SECOND },
    'Time limit of one join.',
  ),
  joinConcurrency: int(
    'YKAFKA_JOIN_CONCURRENCY',
    32,
    { min: 1, max: 4096 },
    'Joins that one process computes at a time.',
  ),
  inlineCheckBytes: int(
    'YKAFKA_INLINE_CHECK_BYTES',
    32 * KB,
    { min: 0, max: 8 * MB },
    'Updates up to this size are checked inline, larger ones in a worker thread.',
  ),
} satisfies Record<string, Setting<unknown>>;

/** How a gateway treats its connections; rows of the one schema in config.ts. */
export const CONNECTION_SETTINGS = {
  maxBadMessages: int(
    'YKAFKA_MAX_BAD_MESSAGES',
    100,
    { min: 1, max: 1_000_000 },
    'Unreadable messages after which a connection is closed.',
  ),
  pingIntervalMs: int(
    'YKAFKA_PING_INTERVAL_MS',
    5 * SECOND,
    { min: 500, max: 120 * SECOND },
    'Interval of Socket.IO pings.',
  ),
  pingTimeoutMs: int(
    'YKAFKA_PING_TIMEOUT_MS',
    5 * SECOND,
    { min: 500, max: 120 * SECOND },
    'Time without a pong after which a connection is dead.',
  ),
  drainClientsPerSecond: int(
    'YKAFKA_DRAIN_CLIENTS_PER_SECOND',
    200,
    { min: 1, max: 100_000 },
    'Connections that a gateway asks to move in a second when it is stopped.',
  ),
  drainLimitMs: int(
    'YKAFKA_DRAIN_LIMIT_MS',
    10 * SECOND,
    { min: 0, max: 300 * SECOND },
    'Time in which a gateway that is stopped has moved all its connections, at a higher rate if need be.',
  ),
  drainRetryMs: int(
    'YKAFKA_DRAIN_RETRY_MS',
    100,
    { min: 0, max: 60 * SECOND },
    'How long a moved client is asked to wait before it connects elsewhere.',
  ),
  accessTtlMs: int(
    'YKAFKA_ACCESS_TTL_MS',
    300 * SECOND,
    { min: SECOND, max: 3600 * SECOND },
    'A gateway believes a decision about a right for so long when it hears of no change.',
  ),
  accessGraceMs: int(
    'YKAFKA_ACCESS_GRACE_MS',
    900 * SECOND,
    { min: 0, max: 24 * 3600 * SECOND },
    'Open documents go on for so long beyond that when rights cannot be looked up.',
  ),
  beatIntervalMs: int(
    'YKAFKA_BEAT_INTERVAL_MS',
    2 * SECOND,
    { min: 100, max: 60 * SECOND },
    'Interval of the gateways’ beats on the awareness topic.',
  ),
  beatTimeoutMs: int(
    'YKAFKA_BEAT_TIMEOUT_MS',
    6 * SECOND,
    { min: 300, max: 300 * SECOND },
    'Silence after which a gateway’s awareness states are dropped.',
  ),
} satisfies Record<string, Setting<unknown>>;
