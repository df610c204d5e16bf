import { pause } from '../clock.ts';
import { AppError, isAppError } from '../errors.ts';
import { Appender } from './kafka/appender.ts';
import { ClusterClient } from './kafka/cluster-client.ts';
import { DroppableAppender } from './kafka/droppable-appender.ts';
import { toStreamError } from './kafka/errors.ts';
import { FollowManager } from './kafka/follow-manager.ts';
import { GroupConsumer } from './kafka/group-consumer.ts';
import { PartitionReader } from './kafka/partition-reader.ts';
import { withDefaults, type KafkaSettings, type KafkaStreamOptions } from './kafka/settings.ts';
import { settlesWithin } from './kafka/timing.ts';
import { ensureTopics, TopicAdmin } from './kafka/topic-admin.ts';
import { retentionOf } from './kafka/topic-settings.ts';
import { TopicWatch } from './kafka/topic-watch.ts';
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
  TopicRetention,
  TopicSpec,
} from './port.ts';

export { claimNodeId } from './kafka/transporter-claim.ts';
export { TransporterCleaner } from './kafka/transporter-clean.ts';
export { transporterTopics } from './kafka/transporter-names.ts';
export { prepareTransporterTopics } from './kafka/transporter-topics.ts';
export type { KafkaStreamOptions } from './kafka/settings.ts';

/** The log on Apache Kafka. Resolves when a broker answers; STREAM_UNAVAILABLE when none does in time. */
export async function createKafkaStream(options: KafkaStreamOptions): Promise<Stream> {
  const stream = new KafkaStream(withDefaults(options));
  try {
    await stream.connect();
    return stream;
  } catch (error) {
    await stream.close();
    throw toStreamError(error);
  }
}

const CONNECT_POLL_MS = 250;

/** Ways through Kafka, by role: append, follow, read (kafka/README of the roles is in each file's head). */
class KafkaStream implements Stream {
  readonly #settings: KafkaSettings;
  readonly #cluster: ClusterClient;
  readonly #reader: PartitionReader;
  readonly #follows: FollowManager;
  readonly #watch: TopicWatch;
  readonly #admin: TopicAdmin;
  readonly #log: Appender;
  readonly #droppable: DroppableAppender;
  readonly #groups = new Set<GroupConsumer>();
  #closing: Promise<void> | undefined;

  constructor(settings: KafkaSettings) {
    this.#settings = settings;
    this.#cluster = new ClusterClient(settings);
    this.#reader = new PartitionReader(settings, this.#cluster);
    this.#follows = new FollowManager(settings, this.#cluster, this.#reader);
    this.#watch = new TopicWatch(settings, this.#cluster);
    this.#admin = new TopicAdmin(settings, this.#cluster);
    this.#log = new Appender(settings, this.#cluster);
    this.#droppable = new DroppableAppender(settings, this.#cluster);
  }

  async connect(): Promise<void> {
    const { clock, connectTimeoutMs } = this.#settings;
    const deadline = clock.now() + connectTimeoutMs;
    while (!(await this.#cluster.ping(CONNECT_POLL_MS * 8))) {
      if (clock.now() > deadline) throw new AppError('STREAM_UNAVAILABLE');
      await pause(clock, CONNECT_POLL_MS);
    }
    await this.#watch.list();
  }

  async ensureTopics(specs: readonly TopicSpec[]): Promise<void> {
    this.#requireOpen();
    const parts = { settings: this.#settings, cluster: this.#cluster, admin: this.#admin };
    for (const topic of await ensureTopics(specs, parts)) {
      this.#follows.topicMade(topic);
      this.#watch.made(topic);
    }
  }

  async identity(topic: string): Promise<TopicIdentity | undefined> {
    this.#requireOpen();
    const found = await this.#cluster.topic(topic);
    if (!found) return undefined;
    const { topicId, clusterId, leaders } = found;
    return { topic, topicId, clusterId, partitions: leaders.length };
  }

  async listTopics(): Promise<string[]> {
    this.#requireOpen();
    return this.#watch.list();
  }

  topics(onTopic: (topic: string) => void): Follow {
    this.#requireOpen();
    return this.#watch.listen(onTopic);
  }

  async append(
    target: TopicPartition,
    records: readonly StreamRecord[],
    options: AppendOptions = {},
  ): Promise<number[]> {
    this.#requireOpen();
    const appender = options.durability === 'droppable' ? this.#droppable : this.#log;
    return appender.append(target, records);
  }

  async follow(request: FollowRequest): Promise<StartedFollow> {
    this.#requireOpen();
    return this.#follows.follow(request);
  }

  async consume(request: ConsumeRequest): Promise<GroupMember> {
    this.#requireOpen();
    const member = new GroupConsumer(request, {
      settings: this.#settings,
      cluster: this.#cluster,
      reader: this.#reader,
      watch: this.#watch,
    });
    this.#groups.add(member);
    member.start();
    return {
      stop: async () => {
        await member.stop();
        this.#groups.delete(member);
      },
      isAssigned: (partition) => member.isAssigned(partition),
    };
  }

  async endOffset(partition: TopicPartition): Promise<number> {
    this.#requireOpen();
    return (await this.#cluster.offset(partition, 'end')) ?? 0;
  }

  async startOffset(partition: TopicPartition): Promise<number> {
    this.#requireOpen();
    return (await this.#cluster.offset(partition, 'first')) ?? 0;
  }

  async read(request: ReadRequest): Promise<RecordBatch> {
    this.#requireOpen();
    return this.#reader.read(request);
  }

  async retention(topic: string): Promise<TopicRetention | undefined> {
    this.#requireOpen();
    const settings = (await this.#admin.describe([topic])).get(topic);
    return settings && retentionOf(settings);
  }

  async ping(timeoutMs: number): Promise<boolean> {
    return this.#closing === undefined && this.#cluster.ping(timeoutMs);
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  /** First what is being appended, while everything else still runs; then all readers with their connections. */
  async #close(): Promise<void> {
    const { clock, closeTimeoutMs, logger } = this.#settings;
    const parts = async () => {
      await Promise.all([this.#log.close(closeTimeoutMs / 4), this.#droppable.close(closeTimeoutMs / 10)]);
      const groups = [...this.#groups].map((member) => member.stop());
      const readers = [this.#follows.close(), this.#watch.close(), ...groups];
      // Not after the readers: a broker that hangs would hold up those that are asking it something.
      await Promise.all([...readers, this.#reader.close(), this.#admin.close(), this.#cluster.close()]);
    };
    const closed = parts().catch((error: unknown) => {
      logger.warn({ reason: isAppError(error) ? error.type : String(error) }, 'kafka not closed in order');
    });
    if (!(await settlesWithin(clock, closed, closeTimeoutMs)))
      logger.warn({ closeTimeoutMs }, 'closing kafka took too long');
  }

  #requireOpen(): void {
    if (this.#closing) throw new AppError('STREAM_CLOSED');
  }
}
