import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as Y from 'yjs';
import { systemClock } from '../../lib/clock.ts';
import { createInlineCodec } from '../../lib/codec/inline.ts';
import { DocumentOperations } from '../../lib/lifecycle/document-operations.ts';
import { DocumentReader } from '../../lib/lifecycle/document-view.ts';
import { silentLogger } from '../../lib/log.ts';
import { classifyRecord } from '../../lib/persister/classify.ts';
import type { DocumentId } from '../../lib/protocol/ids.ts';
import { DEFAULT_LIMITS } from '../../lib/protocol/limits.ts';
import { MemoryStore } from '../../lib/store/memory.ts';
import { PERSISTER_CONSUMER, type PersistenceAdapter } from '../../lib/store/port.ts';
import { createEmbeddedStream } from '../../lib/stream/embedded.ts';
import { openInline } from './inline-log.ts';
import { EpochBook, registerTopics } from '../../lib/stream/epochs.ts';
import type { DeliveredRecord, Stream } from '../../lib/stream/port.ts';
import { createTopicResolver } from '../../lib/stream/topic-resolver.ts';
import { createSyncSource, type JoinSource } from '../../lib/sync/join.ts';
import { SYNC_LIMITS } from './sync-world.ts';

const MB = 1024 * 1024;

/** Faults of the log, at its port. */
export type Append = Stream['append'];

/** The real embedded log, a store in memory that is filled on demand, and operations on documents over both. */
export class LifecycleWorld {
  readonly stream: Stream;
  readonly store: PersistenceAdapter;
  readonly topics = createTopicResolver({ pattern: 'yjs-{channel}', partitions: 2 });
  readonly document: DocumentId = { tenantId: 'default', roomId: 'room', docId: 'doc' };
  readonly source: JoinSource;
  readonly #epochs: EpochBook;
  readonly #folder: string;

  private constructor(stream: Stream, folder: string) {
    this.stream = stream;
    this.#folder = folder;
    this.store = new MemoryStore({ clock: systemClock });
    this.#epochs = new EpochBook({ stream, store: this.store });
    this.source = createSyncSource({
      stream,
      store: this.store,
      topics: this.topics,
      epochs: this.#epochs,
      codec: createInlineCodec(),
      clock: systemClock,
      limits: SYNC_LIMITS,
    });
  }

  static async open(): Promise<LifecycleWorld> {
    const folder = await mkdtemp(join(tmpdir(), 'ykafka-lifecycle-'));
    const stream = await createEmbeddedStream({
      openFile: openInline,
      file: join(folder, 'log.sqlite'),
      clock: systemClock,
      logger: silentLogger,
      maxRecordBytes: 16 * MB,
      bufferBytes: 256 * MB,
    });
    const world = new LifecycleWorld(stream, folder);
    await registerTopics({ stream, store: world.store, specs: world.topics.staticTopics });
    return world;
  }

  async close(): Promise<void> {
    await this.stream.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  get at() {
    return this.topics.target('doc', this.document);
  }

  reader(): DocumentReader {
    const { stream, store, topics } = this;
    return new DocumentReader({
      stream,
      store,
      topics,
      epochs: this.#epochs,
      limits: DEFAULT_LIMITS,
      maxReadBytes: 2 * MB,
    });
  }

  /** One operator's process; `append` stands between it and the log. */
  operator(options: { append?: Append; maxUpdateBytes?: number } = {}): DocumentOperations {
    const { stream, topics } = this;
    return new DocumentOperations({
      stream: { append: options.append ?? ((...request) => stream.append(...request)) },
      reader: this.reader(),
      codec: createInlineCodec(),
      controlTopic: topics.controlTopic,
      maxUpdateBytes: options.maxUpdateBytes ?? DEFAULT_LIMITS.maxUpdateBytes,
      clock: systemClock,
      logger: silentLogger,
    });
  }

  async records(): Promise<DeliveredRecord[]> {
    const toOffset = await this.stream.endOffset(this.at);
    const fromOffset = await this.stream.startOffset(this.at);
    return (await this.stream.read({ ...this.at, fromOffset, toOffset, maxBytes: 512 * MB })).records;
  }

  async announcements(): Promise<number> {
    return this.stream.endOffset({ topic: this.topics.controlTopic, partition: 0 });
  }

  /** Stores the log up to its end, or before an offset, as the persister does. */
  async persist(toOffset?: number): Promise<void> {
    const epoch = await this.#epochs.epochOf(this.at.topic);
    const { partition } = this.at;
    const fetchOffset = await this.store.nextOffset(PERSISTER_CONSUMER, epoch, partition);
    const nextOffset = toOffset ?? (await this.stream.endOffset(this.at));
    const records = (await this.records()).filter(
      ({ offset }) => offset >= fetchOffset && offset < nextOffset,
    );
    await this.store.storeBatch({
      consumer: PERSISTER_CONSUMER,
      epoch,
      partition,
      fetchOffset,
      nextOffset,
      records: records.flatMap(
        (record) => classifyRecord(record, { limits: DEFAULT_LIMITS, isDecodable: () => true }) ?? [],
      ),
    });
  }

  /** What one who joins now gets. */
  async join() {
    const heldAfter = (await this.stream.endOffset(this.at)) - 1;
    const answer = await this.source.join({ document: this.document, senderId: 'joiner', heldAfter });
    const doc = new Y.Doc();
    Y.applyUpdate(doc, answer.update);
    return { ...answer, text: doc.getText('t').toString() };
  }
}
