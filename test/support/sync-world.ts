import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../lib/clock.ts';
import { createInlineCodec } from '../../lib/codec/inline.ts';
import type { Codec } from '../../lib/codec/port.ts';
import { silentLogger } from '../../lib/log.ts';
import type { DocumentId } from '../../lib/protocol/ids.ts';
import { PERSISTER_CONSUMER, type IncomingRecord, type PersistenceAdapter } from '../../lib/store/port.ts';
import { createPostgresStore } from '../../lib/store/postgres.ts';
import { createEmbeddedStream } from '../../lib/stream/embedded.ts';
import { openInline } from './inline-log.ts';
import { EpochBook, registerTopics } from '../../lib/stream/epochs.ts';
import type { DeliveredRecord, Stream, TopicPartition } from '../../lib/stream/port.ts';
import { createTopicResolver } from '../../lib/stream/topic-resolver.ts';
import { readLogEntry } from '../../lib/sync/records.ts';
import type { Epochs } from '../../lib/sync/epochs.ts';
import { createSyncSource, type JoinSource, type SyncLimits } from '../../lib/sync/join.ts';
import type { SyncRequest } from '../../lib/sync/port.ts';
import { barrierRecord, updateRecord } from './log-records.ts';

const MB = 1024 * 1024;

export const SYNC_LIMITS: SyncLimits = {
  tailBytes: 16 * MB,
  cacheBytes: 64 * MB,
  joinConcurrency: 32,
  maxWaiting: 1_000,
  maxWaitMs: 10_000,
  maxRecentBytes: 256 * 1024,
};

/** How often the ports were used. */
export interface PortCalls {
  loads: number;
  reads: number;
  endOffsets: number;
  versions: number;
}

export interface SyncWorldOptions {
  store: PersistenceAdapter;
  limits?: Partial<SyncLimits>;
  codec?: Codec;
  topicPattern?: string;
  /** Faults, at the ports. */
  wrapStream?: (stream: Stream) => Stream;
  wrapStore?: (store: PersistenceAdapter) => PersistenceAdapter;
  wrapEpochs?: (epochs: Epochs) => Epochs;
}

let rooms = 0;

/** The real embedded log, a real store and a sync source over them; one writer at a time for each document. */
export class SyncWorld {
  readonly stream: Stream;
  readonly store: PersistenceAdapter;
  readonly calls: PortCalls = { loads: 0, reads: 0, endOffsets: 0, versions: 0 };
  readonly source: JoinSource;
  readonly topics;
  readonly #epochs: EpochBook;
  readonly #folder: string;

  private constructor(stream: Stream, folder: string, options: SyncWorldOptions) {
    this.stream = stream;
    this.store = options.store;
    this.#folder = folder;
    this.topics = createTopicResolver({ pattern: options.topicPattern ?? 'yjs-{channel}', partitions: 2 });
    this.#epochs = new EpochBook({ stream, store: options.store });
    const log = options.wrapStream?.(stream) ?? stream;
    const store = options.wrapStore?.(options.store) ?? options.store;
    const { calls } = this;
    this.source = createSyncSource({
      stream: {
        endOffset: (at) => (calls.endOffsets++, log.endOffset(at)),
        read: (request) => (calls.reads++, log.read(request)),
      },
      store: {
        load: (request) => (calls.loads++, store.load(request)),
        appendedVersions: (...request) => (calls.versions++, store.appendedVersions(...request)),
        findStored: (document) => store.findStored(document),
      },
      topics: this.topics,
      epochs: options.wrapEpochs?.(this.#epochs) ?? this.#epochs,
      codec: options.codec ?? createInlineCodec(),
      clock: systemClock,
      limits: { ...SYNC_LIMITS, ...options.limits },
    });
  }

  static async open(options: SyncWorldOptions): Promise<SyncWorld> {
    const folder = await mkdtemp(join(tmpdir(), 'ykafka-sync-'));
    const stream = await createEmbeddedStream({
      openFile: openInline,
      file: join(folder, 'log.sqlite'),
      clock: systemClock,
      logger: silentLogger,
      maxRecordBytes: 64 * MB,
      bufferBytes: 256 * MB,
    });
    const world = new SyncWorld(stream, folder, options);
    // Every log has its own topics, as far as the shared store is concerned.
    await registerTopics({
      stream,
      store: options.store,
      specs: world.topics.staticTopics,
      adopt: world.topics.staticTopics.map(({ topic }) => topic),
    });
    return world;
  }

  async close(): Promise<void> {
    await this.stream.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** A document in a room of its own. */
  newDocument(): DocumentId {
    return { tenantId: 't', roomId: `room-${process.pid}-${++rooms}`, docId: 'd' };
  }

  /** Another document of the same partition. */
  neighbour(document: DocumentId, docId: string): DocumentId {
    return { ...document, docId };
  }

  at(document: DocumentId): TopicPartition {
    return this.topics.target('doc', document);
  }

  async epoch(document: DocumentId): Promise<number> {
    return this.#epochs.epochOf(this.at(document).topic);
  }

  async lastOffset(document: DocumentId): Promise<number> {
    return (await this.stream.endOffset(this.at(document))) - 1;
  }

  /** Appends updates of one sender; versions count from `version`. Returns the offsets. */
  append(
    document: DocumentId,
    updates: readonly Uint8Array[],
    options: { senderId?: string; userId?: string; version?: number; generation?: number } = {},
  ): Promise<number[]> {
    const { senderId = 'sender', userId, version = 1, generation = 1 } = options;
    const writer = { senderId, ...(userId === undefined ? {} : { userId }) };
    const records = updates.map((update, index) =>
      updateRecord(document, update, { ...writer, version: version + index, generation }),
    );
    return this.stream.append(this.at(document), records);
  }

  async barrier(document: DocumentId, generation: number, reason?: 'deleted' | 'recreated'): Promise<number> {
    const [offset] = await this.stream.append(this.at(document), [
      barrierRecord(document, generation, reason),
    ]);
    return offset!;
  }

  /** Stores the log up to its end (or before an offset), as the persister does. */
  async persist(document: DocumentId, toOffset?: number): Promise<void> {
    const at = this.at(document);
    const epoch = await this.epoch(document);
    const { partition } = at;
    const fromOffset = await this.store.nextOffset(PERSISTER_CONSUMER, epoch, partition);
    const end = toOffset ?? (await this.stream.endOffset(at));
    const { records } = await this.stream.read({ ...at, fromOffset, toOffset: end, maxBytes: 512 * MB });
    for (let index = 0; index < Math.max(1, records.length); index += 1_000) {
      const part = records.slice(index, index + 1_000);
      const isLast = index + 1_000 >= records.length;
      await this.store.storeBatch({
        consumer: PERSISTER_CONSUMER,
        epoch,
        partition,
        fetchOffset: index === 0 ? fromOffset : part[0]!.offset,
        nextOffset: isLast ? end : records[index + 1_000]!.offset,
        records: part.flatMap((record) => toIncoming(record) ?? []),
      });
    }
  }

  /** Makes a snapshot of what is stored. */
  async snapshot(document: DocumentId): Promise<void> {
    const epoch = await this.epoch(document);
    const { partition } = this.at(document);
    const state = await this.store.load({ document, epoch, partition });
    const folded = await createInlineCodec().fold(
      state.snapshot?.data,
      state.updates.map((row) => row.payload),
    );
    await this.store.persistSnapshot({
      document,
      generation: state.generation,
      epoch,
      partition,
      throughOffset: state.storedThrough,
      data: folded.update,
      stateVector: folded.stateVector,
    });
  }

  /** As another process would answer that has nothing cached. */
  sourceWithoutCache(faults: Partial<Pick<PersistenceAdapter, 'load'>> = {}): JoinSource {
    const { store, stream } = this;
    return createSyncSource({
      stream,
      store: {
        load: (request) => store.load(request),
        appendedVersions: (...request) => store.appendedVersions(...request),
        findStored: (document) => store.findStored(document),
        ...faults,
      },
      topics: this.topics,
      epochs: this.#epochs,
      codec: createInlineCodec(),
      clock: systemClock,
      limits: SYNC_LIMITS,
    });
  }

  join(document: DocumentId, request: Partial<SyncRequest> = {}) {
    return this.source.join({ document, senderId: 'joiner', heldAfter: -1, ...request });
  }
}

function toIncoming(record: DeliveredRecord): IncomingRecord | undefined {
  const entry = readLogEntry(record);
  const [tenantId, roomId, docId] = record.key.split('/').map(decodeURIComponent) as [string, string, string];
  const { offset } = record;
  const document = { tenantId, roomId, docId };
  if (!entry) return undefined;
  if (entry.kind === 'barrier')
    return {
      kind: 'barrier',
      offset,
      document,
      generation: entry.generation,
      reason: entry.deletes ? 'deleted' : 'restored',
    };
  return { ...entry, offset, document, atMs: 0, metadata: {} };
}

/** A store in PGlite that keeps nothing. */
export function openPgliteStore(): Promise<PersistenceAdapter> {
  return createPostgresStore({ dataDir: 'memory:', logger: silentLogger, clock: systemClock });
}
