import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock, type Clock } from '../clock.ts';
import type { Config } from '../config.ts';
import { AppError } from '../errors.ts';
import { createHealthBoard } from '../health/create-board.ts';
import type { Logger } from '../log.ts';
import { createCollector, MemoryRelief } from '../memory-relief.ts';
import { createMetrics } from '../metrics/prometheus.ts';
import type { Database } from '../store/database.ts';
import type { PersistenceAdapter } from '../store/port.ts';
import type { EmbeddedStreamOptions } from '../stream/embedded.ts';
import type { Stream } from '../stream/port.ts';
import { createTopicResolver } from '../stream/topic-resolver.ts';
import { createHttpTransfer } from '../transfer/http.ts';
import { createMemoryTransfer } from '../transfer/memory.ts';
import type { BlobTransfer } from '../transfer/port.ts';
import { openInternalHttp, type InternalHttp, type RequestHandler } from './internal-http.ts';
import type { Runtime } from './runtime.ts';

/** Bytes of results that wait to be fetched by other processes. */
const MAX_OFFERED_BYTES = 512 * 1024 * 1024;
/** An envelope is the update with metadata; the log's limit leaves room for it. */
const ENVELOPE_ROOM_BYTES = 128 * 1024;
const PING_LIMIT_MS = 2_000;

export interface OpenRuntime extends Runtime {
  /**
   * Starts the internal listener; resolves with its port, or undefined where nobody is to ask there: in embedded mode
   * without the secret of other systems.
   */
  listen(): Promise<number | undefined>;
  /** Closes what was opened, in the order store, log, listener. Idempotent. */
  close(): Promise<void>;
}

export interface RuntimeOptions {
  config: Config;
  logger: Logger;
  /** Name of this process towards Kafka and in logs. */
  nodeId: string;
  clock?: Clock;
  /** For tests: wraps the log, to inject faults at the port. */
  wrapStream?: (stream: Stream) => Stream;
  /** For tests: the file of the embedded log, to end its thread. */
  openLogFile?: EmbeddedStreamOptions['openFile'];
}

export function createRuntime({
  config,
  logger,
  nodeId,
  clock = systemClock,
  wrapStream,
  openLogFile,
}: RuntimeOptions): OpenRuntime {
  let internal: InternalHttp | undefined;
  const randomId = () => randomBytes(16).toString('hex');
  const stream = openOnce<Stream>(async () => {
    const opened = await openStream(config, logger, { nodeId, clock, openLogFile });
    return wrapStream ? wrapStream(opened) : opened;
  });
  const database = openOnce<Database>(() => openDatabase(config, logger, clock));
  const store = openOnce<PersistenceAdapter>(async () => openStore(await database.get(), logger, clock));
  const health = createHealthBoard({
    db: () => store.current()?.then((adapter) => adapter.ping(PING_LIMIT_MS)),
    kafka: () => stream.current()?.then((log) => log.ping(PING_LIMIT_MS)),
  });
  const metrics = createMetrics();
  metrics.watch('ready', async () => Number((await health.report()).status === 'ok'));
  const memory = new MemoryRelief({
    clock,
    // In one process with the gateways everybody would wait for the collection.
    collect: config.mode === 'embedded' ? () => undefined : createCollector(),
  });
  const { blobs, handlers } = openTransfer(config, {
    clock,
    randomId,
    baseUrl: () => `http://${config.internalHost}:${internal?.port ?? 0}`,
  });

  return {
    config,
    clock,
    logger,
    health,
    metrics,
    blobs,
    memory,
    randomId,
    topics: createTopicResolver({ pattern: config.topicPattern, partitions: config.partitions }),
    stream: stream.get,
    store: store.get,
    database: database.get,
    serveInternal: (handler) => void handlers.push(handler),
    async listen() {
      if (config.mode === 'embedded' && config.internalSecret === '') return undefined;
      internal ??= await openInternalHttp({
        host: config.internalHost,
        port: config.healthPort,
        health,
        metrics,
        handlers,
      });
      return internal.port;
    },
    async close() {
      memory.stop();
      await store.close((adapter) => adapter.close());
      await database.close((opened) => opened.close());
      await stream.close((log) => log.close());
      await blobs.close();
      await internal?.close();
      internal = undefined;
    },
  };
}

interface Once<T> {
  get(): Promise<T>;
  /** The value while it is open or being opened; undefined before the first use. */
  current(): Promise<T> | undefined;
  close(release: (value: T) => Promise<void>): Promise<void>;
}

/** A failed opening is forgotten, so that the next use tries again. */
function openOnce<T>(open: () => Promise<T>): Once<T> {
  let opened: Promise<T> | undefined;
  let isClosed = false;
  return {
    get() {
      if (isClosed)
        return Promise.reject(new AppError('STREAM_CLOSED', { message: 'The process is stopping.' }));
      opened ??= open().catch((error: unknown) => {
        opened = undefined;
        throw error;
      });
      return opened;
    },
    current: () => opened,
    async close(release) {
      isClosed = true;
      const closing = opened;
      opened = undefined;
      if (closing) await release(await closing);
    },
  };
}

interface StreamParts {
  nodeId: string;
  clock: Clock;
  openLogFile: RuntimeOptions['openLogFile'];
}

async function openStream(config: Config, logger: Logger, parts: StreamParts): Promise<Stream> {
  const { nodeId, clock, openLogFile } = parts;
  const maxRecordBytes = config.maxUpdateBytes + ENVELOPE_ROOM_BYTES;
  if (config.mode === 'embedded') {
    const { createEmbeddedStream } = await import('../stream/embedded.ts');
    await mkdir(config.dataDir, { recursive: true });
    return createEmbeddedStream({
      file: join(config.dataDir, 'log.sqlite'),
      clock,
      logger,
      maxRecordBytes,
      bufferBytes: config.producerBufferBytes,
      ...(openLogFile ? { openFile: openLogFile } : {}),
    });
  }
  const { createKafkaStream } = await import('../stream/kafka.ts');
  return createKafkaStream({
    brokers: config.kafkaBrokers,
    clientId: nodeId,
    logger,
    clock,
    replicationFactor: config.replicationFactor,
    minInsyncReplicas: config.minInsyncReplicas,
    retentionMs: config.retentionHours * 3_600_000,
    ephemeralRetentionMs: config.ephemeralRetentionMinutes * 60_000,
    maxRecordBytes,
    producerBufferBytes: config.producerBufferBytes,
    topicPollMs: config.topicPollMs,
    appendTimeoutMs: config.appendTimeoutMs,
  });
}

async function openDatabase(config: Config, logger: Logger, clock: Clock): Promise<Database> {
  const { Database } = await import('../store/database.ts');
  if (config.mode === 'cluster' && config.databaseUrl === '') {
    throw new AppError('BAD_CONFIG', { message: 'DATABASE_URL is needed by a service that stores.' });
  }
  const target =
    config.databaseUrl !== '' ? { databaseUrl: config.databaseUrl } : { dataDir: join(config.dataDir, 'db') };
  const limits = {
    statementTimeoutMs: config.storeStatementTimeoutMs,
    lockTimeoutMs: config.storeLockTimeoutMs,
    idleInTransactionMs: config.storeIdleInTransactionMs,
    connectTimeoutMs: config.storeConnectTimeoutMs,
  };
  const database = await Database.open({ ...target, logger, clock, limits });
  try {
    await database.prepare();
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}

async function openStore(database: Database, logger: Logger, clock: Clock): Promise<PersistenceAdapter> {
  const { createStoreOn } = await import('../store/postgres.ts');
  const { withCircuit } = await import('../store/circuit.ts');
  const store = createStoreOn(database, clock);
  return withCircuit({ store, clock, logger: logger.child({ part: 'store' }) });
}

interface TransferParts {
  clock: Clock;
  randomId: () => string;
  baseUrl: () => string;
}

function openTransfer(
  config: Config,
  parts: TransferParts,
): { blobs: BlobTransfer; handlers: RequestHandler[] } {
  const limits = { ttlMs: config.ticketTtlMs, maxBytes: MAX_OFFERED_BYTES };
  if (config.mode === 'embedded')
    return { blobs: createMemoryTransfer({ ...parts, ...limits }), handlers: [] };
  const blobs = createHttpTransfer({ ...parts, ...limits });
  return { blobs, handlers: [(request, response) => blobs.handle(request, response)] };
}
