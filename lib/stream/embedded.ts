import { randomUUID } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { AppError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { Appender } from './embedded/appender.ts';
import { DroppableRing } from './embedded/droppable-ring.ts';
import { Follower } from './embedded/follower.ts';
import { ConsumerGroup } from './embedded/group.ts';
import { LogKeeper, type LogRestarts } from './embedded/log-keeper.ts';
import type { OpenedLog } from './embedded/log-store.ts';
import { LogThread } from './embedded/log-thread.ts';
import type { LogThreadData } from './embedded/log-work.ts';
import { withStreamErrors } from './embedded/sqlite-errors.ts';
import { takeOver } from './embedded/take-over.ts';
import { noSuchPartition, TopicTable } from './embedded/topic-table.ts';
import { releaseReservations, trimLog } from './embedded/trimming.ts';
import type {
  AppendOptions,
  ConsumeRequest,
  Follow,
  FollowRequest,
  GroupMember,
  ReadRequest,
  RecordBatch,
  StartedFollow,
  Stream,
  StreamRecord,
  TopicIdentity,
  TopicPartition,
  TopicSpec,
} from './port.ts';

export interface EmbeddedStreamOptions {
  /** Path of the SQLite file; its folder is made. */
  file: string;
  clock: Clock;
  logger: Logger;
  /** Longest value of a record. */
  maxRecordBytes: number;
  /** Most bytes of values that may wait for the commit of a tick. */
  bufferBytes: number;
  /** The file grows no further; appends then fail as on a full disk. Default: no limit. */
  maxFileBytes?: number;
  /** Makes topic and cluster ids; default random uuids. */
  newId?: () => string;
  /** Default: in a thread of its own. */
  openFile?: (data: LogThreadData) => Promise<OpenedLog>;
  /** How a thread that has ended is started again. */
  restarts?: LogRestarts;
}

/**
 * The log of embedded mode, in one SQLite file that this process holds alone (STREAM_LOCKED otherwise).
 * The file is in a thread of its own: no fsync stops the event loop. What is appended while one is under way is
 * committed with the next. Values are shared by all readers: nobody changes them. A thread that ends is started again;
 * until then appends are not known durable and readers wait.
 */
export async function createEmbeddedStream(options: EmbeddedStreamOptions): Promise<EmbeddedStream> {
  const { file, maxFileBytes, newId = randomUUID, clock, logger, restarts } = options;
  const { openFile = (data) => LogThread.open(data, { clock }) } = options;
  const limit = maxFileBytes === undefined ? {} : { maxFileBytes };
  const data = { file, newClusterId: newId(), ...limit };
  const keeper = await LogKeeper.open({ data, openFile, clock, logger, ...(restarts ? { restarts } : {}) });
  return new EmbeddedStream(keeper, options);
}

export class EmbeddedStream implements Stream {
  readonly #options: EmbeddedStreamOptions;
  readonly #file: LogKeeper;
  readonly #table: TopicTable;
  readonly #appender: Appender;
  readonly #followers = new Set<Follower>();
  /** Those among them whose topic is missing. */
  readonly #waiting = new Set<Follower>();
  readonly #groups = new Map<string, ConsumerGroup>();
  readonly #listeners = new Set<(topic: string) => void>();
  #closing: Promise<void> | undefined;

  constructor(file: LogKeeper, options: EmbeddedStreamOptions) {
    const { clock, logger, bufferBytes, newId = randomUUID } = options;
    this.#options = options;
    const ring = new DroppableRing();
    this.#file = file;
    this.#table = new TopicTable({ file, ring, newId, onMade: (topic) => this.#announce(topic) });
    this.#appender = new Appender({ file, ring, clock, logger, bufferBytes });
    file.takeOver = (opened) => takeOver(opened, this.#table);
  }

  async ensureTopics(specs: readonly TopicSpec[]): Promise<void> {
    this.#requireOpen();
    await withStreamErrors(() => this.#table.ensure(specs));
  }

  async identity(topic: string): Promise<TopicIdentity | undefined> {
    this.#requireOpen();
    return this.#table.identity(topic);
  }

  async listTopics(): Promise<string[]> {
    this.#requireOpen();
    return this.#table.names();
  }

  topics(onTopic: (topic: string) => void): Follow {
    const listener = (topic: string) => onTopic(topic);
    this.#listeners.add(listener);
    return { stop: async () => void this.#listeners.delete(listener) };
  }

  async append(
    target: TopicPartition,
    records: readonly StreamRecord[],
    options: AppendOptions = {},
  ): Promise<number[]> {
    this.#requireOpen();
    const log = this.#table.require(target);
    if (records.length === 0) return [];
    // Before it is in a tick with others, whom it would take along when SQLite refuses it.
    if (!records.every(({ key, value }) => typeof key === 'string' && ArrayBuffer.isView(value)))
      throw new AppError('BAD_INPUT', { message: 'A record is a key and bytes.' });
    const { maxRecordBytes } = this.#options;
    if (records.some((record) => record.value.byteLength > maxRecordBytes))
      throw new AppError('STREAM_RECORD_TOO_LARGE', { data: { maxRecordBytes } });
    return this.#appender.append(log, records, options.durability === 'droppable');
  }

  async follow(request: FollowRequest): Promise<StartedFollow> {
    this.#requireOpen();
    const { clock, logger } = this.#options;
    const log = this.#table.find(request);
    const follower = new Follower(request, {
      clock,
      logger,
      onEnd: () => {
        this.#followers.delete(follower);
        this.#waiting.delete(follower);
      },
    });
    this.#followers.add(follower);
    if (log) follower.attach(log, false);
    else this.#waiting.add(follower);
    return follower;
  }

  async consume(request: ConsumeRequest): Promise<GroupMember> {
    this.#requireOpen();
    let group = this.#groups.get(request.group);
    if (!group) {
      group = new ConsumerGroup({
        clock: this.#options.clock,
        partitions: () => this.#table.partitions(),
      });
      this.#groups.set(request.group, group);
    }
    return group.join(request);
  }

  async endOffset(partition: TopicPartition): Promise<number> {
    this.#requireReachable();
    return this.#table.find(partition)?.nextOffset ?? 0;
  }

  async startOffset(partition: TopicPartition): Promise<number> {
    this.#requireReachable();
    return this.#table.find(partition)?.startOffset ?? 0;
  }

  async read(request: ReadRequest): Promise<RecordBatch> {
    this.#requireReachable();
    const { topic, partition, fromOffset, maxBytes } = request;
    const log = this.#table.require(request);
    const toOffset = Math.min(request.toOffset, log.nextOffset);
    if (fromOffset >= request.toOffset)
      return { topic, partition, fetchOffset: fromOffset, nextOffset: fromOffset, records: [] };
    const bounds = { maxRecords: Infinity, maxBytes };
    const batch = await withStreamErrors(() => log.read(fromOffset, toOffset, bounds));
    const bytes = batch.records.reduce((sum, record) => sum + record.value.byteLength, 0);
    if (batch.nextOffset < toOffset || bytes > maxBytes)
      throw new AppError('STORE_BEHIND', { data: { topic, partition, fromOffset, toOffset, maxBytes } });
    return batch;
  }

  async trim(partition: TopicPartition, beforeOffset: number): Promise<void> {
    this.#requireOpen();
    const log = this.#table.require(partition);
    await trimLog(this.#file, { log, beforeOffset, requireOpen: () => this.#requireOpen() });
  }

  async ping(): Promise<boolean> {
    return this.#closing === undefined && this.#appender.refusal === undefined;
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    await this.#appender.drain();
    this.#listeners.clear();
    await Promise.all([
      ...[...this.#followers].map((follower) => follower.stop()),
      ...[...this.#groups.values()].map((group) => group.stopAll()),
    ]);
    await releaseReservations(this.#file, this.#table.partitions(), this.#options.logger);
    await this.#file.close();
  }

  #announce(topic: string): void {
    const partitions = this.#table.partitionsOf(topic);
    for (const follower of [...this.#waiting]) {
      if (follower.topic !== topic) continue;
      this.#waiting.delete(follower);
      const log = partitions[follower.partition];
      if (log) follower.attach(log, true);
      else follower.fail(noSuchPartition(follower));
    }
    for (const group of this.#groups.values()) for (const log of partitions) group.addPartition(log);
    for (const listener of this.#listeners) {
      try {
        listener(topic);
      } catch (error) {
        // Safe: the topic is made; the other listeners must hear of it.
        this.#options.logger.error({ topic, error: String(error) }, 'topic listener failed');
      }
    }
  }

  #requireOpen(): void {
    if (this.#closing) throw new AppError('STREAM_CLOSED');
  }

  /** What is in the file beyond what is known here is not known before it has been opened again. */
  #requireReachable(): void {
    this.#requireOpen();
    if (this.#file.broken) throw new AppError('STREAM_UNAVAILABLE', { cause: this.#file.broken });
  }
}
