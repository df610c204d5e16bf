import {
  ConnectionPool,
  FetchIsolationLevels,
  listOffsetsV9,
  metadataV12,
  parseBroker,
  type Broker,
} from '@platformatic/kafka';
import { pause } from '../../clock.ts';
import { AppError, isAppError } from '../../errors.ts';
import type { TopicPartition } from '../port.ts';
import { hasKafkaName, reasonOf, toStreamError } from './errors.ts';
import type { KafkaSettings } from './settings.ts';
import { settlesWithin } from './timing.ts';

type MetadataResponse = metadataV12.MetadataResponse;

export interface TopicView {
  topic: string;
  topicId: string;
  /** Node id of the leader of each partition, -1 while there is none. */
  leaders: number[];
  /** Copies of the partition that has the fewest, dead ones among them. */
  replicas: number;
}

export interface PartitionLeader {
  topicId: string;
  /** Node id. */
  leader: number;
}

export interface ClusterView {
  clusterId: string;
  brokers: ReadonlyMap<number, Broker>;
  /** Those of the topics asked for that exist. */
  topics: ReadonlyMap<string, TopicView>;
}

const EARLIEST = -2n;
const LATEST = -1n;
const REQUEST_TIMEOUT_MS = 5000;
const CONNECT_TIMEOUT_MS = 2000;
const RETRY_PAUSE_MS = 100;
/** The cached leader is wrong, or the leader is not ready: ask for the metadata again. */
const STALE = [
  'NOT_LEADER_OR_FOLLOWER',
  'LEADER_NOT_AVAILABLE',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'OFFSET_NOT_AVAILABLE',
  'KAFKA_STORAGE_ERROR',
];

/**
 * Questions about topics, leaders and offsets, on connections of its own, since Kafka answers the requests of one
 * connection one after the other and a long poll would hold them up. Written on the request level because
 * kafkajs' metadata has no topic ids and the library's clients fail as a whole when one topic is missing.
 */
export class ClusterClient {
  readonly #settings: KafkaSettings;
  readonly #bootstrap: Broker[];
  readonly #leaders = new Map<string, TopicView>();
  #brokers: ReadonlyMap<number, Broker> = new Map();
  #pool: ConnectionPool;
  #closed = false;

  constructor(settings: KafkaSettings) {
    this.#settings = settings;
    this.#bootstrap = settings.brokers.map((broker) => parseBroker(broker));
    this.#pool = this.#createPool();
  }

  /** One request; 'all' for every topic. Rejects when no broker answers. */
  async metadata(topics: readonly string[] | 'all'): Promise<ClusterView> {
    if (this.#closed) throw new AppError('STREAM_CLOSED');
    const response = await this.#onConnection(async (pool) => {
      const connection = await pool.getFirstAvailable([...this.#bootstrap, ...this.#brokers.values()]);
      try {
        return await metadataV12.api.async(connection, topics === 'all' ? null : [...topics], false, false);
      } catch (error) {
        // One missing topic makes the whole answer an error; the answer itself is inside.
        const { response } = error as { response?: MetadataResponse };
        if (response?.topics) return response;
        throw error;
      }
    });
    const view = viewOf(response);
    this.#brokers = view.brokers;
    if (topics !== 'all') for (const topic of topics) this.#leaders.delete(topic);
    for (const [topic, found] of view.topics) this.#leaders.set(topic, found);
    return view;
  }

  /** Undefined when there is no such topic. Tries again for a while when no broker answers. */
  async topic(topic: string): Promise<(TopicView & { clusterId: string }) | undefined> {
    return this.retrying(async () => {
      const view = await this.metadata([topic]);
      const found = view.topics.get(topic);
      return found && { ...found, clusterId: view.clusterId };
    });
  }

  /** Undefined when there is no such partition. From memory when it is known; see `forget`. */
  async leaderOf({ topic, partition }: TopicPartition): Promise<PartitionLeader | undefined> {
    const view = this.#leaders.get(topic) ?? (await this.metadata([topic])).topics.get(topic);
    const leader = view?.leaders[partition];
    if (view === undefined || leader === undefined) return undefined;
    if (leader >= 0) return { topicId: view.topicId, leader };
    this.forget(topic);
    throw new AppError('STREAM_UNAVAILABLE', { message: 'The partition has no leader now.' });
  }

  /** What is known about the topic has proved wrong: the next question about it goes to Kafka. */
  forget(topic: string): void {
    this.#leaders.delete(topic);
  }

  /** The first offset, or the one that follows the last stable record; undefined when there is no such partition. */
  async offset(target: TopicPartition, which: 'first' | 'end'): Promise<number | undefined> {
    return this.retrying(async () => {
      const found = await this.leaderOf(target);
      if (!found) return undefined;
      try {
        return await this.#listOffset(target, found.leader, which === 'first' ? EARLIEST : LATEST);
      } catch (error) {
        this.forget(target.topic);
        throw error;
      }
    });
  }

  /** Repeats what may succeed later until `requestRetryMs` has passed; then STREAM_UNAVAILABLE. */
  async retrying<T>(work: () => Promise<T>): Promise<T> {
    const { clock, requestRetryMs } = this.#settings;
    const deadline = clock.now() + requestRetryMs;
    for (;;) {
      try {
        return await work();
      } catch (error) {
        const late = clock.now() >= deadline || this.#closed;
        if (late || (isAppError(error) && error.type !== 'STREAM_UNAVAILABLE')) throw toStreamError(error);
        await pause(clock, RETRY_PAUSE_MS);
      }
    }
  }

  async ping(timeoutMs: number): Promise<boolean> {
    let answered = false;
    const asked = this.metadata([]).then(
      () => (answered = true),
      () => undefined, // not reachable: the answer is false
    );
    return (await settlesWithin(this.#settings.clock, asked, timeoutMs)) && answered;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#release(this.#pool);
  }

  async #listOffset({ topic, partition }: TopicPartition, leader: number, timestamp: bigint) {
    const broker = this.#brokers.get(leader);
    if (!broker) throw new AppError('STREAM_UNAVAILABLE', { message: 'The partition has no leader now.' });
    return this.#onConnection(async (pool) => {
      const connection = await pool.get(broker);
      const partitions = [{ partitionIndex: partition, currentLeaderEpoch: -1, timestamp }];
      const answer = await listOffsetsV9.api.async(connection, -1, FetchIsolationLevels.READ_COMMITTED, [
        { name: topic, partitions },
      ]);
      return Number(answer.topics[0]!.partitions[0]!.offset);
    });
  }

  /** After a failure of the network all connections are made again: none may hang on a broker that is gone. */
  async #onConnection<T>(work: (pool: ConnectionPool) => Promise<T>): Promise<T> {
    const pool = this.#pool;
    try {
      return await work(pool);
    } catch (error) {
      if (!hasKafkaName(error, ...STALE) && pool === this.#pool && !this.#closed) {
        this.#pool = this.#createPool();
        void this.#release(pool);
      }
      throw error;
    }
  }

  #createPool(): ConnectionPool {
    const pool = new ConnectionPool(`${this.#settings.clientId}-meta`, {
      connectTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
    });
    surviveSocketErrors(pool);
    return pool;
  }

  async #release(pool: ConnectionPool): Promise<void> {
    try {
      await pool.close();
    } catch (error) {
      this.#settings.logger.debug({ reason: reasonOf(error) }, 'kafka connections not closed in order');
    }
  }
}

/** A second error on a connection would be an unheard 'error' event, which ends the process. */
export function surviveSocketErrors(pool: ConnectionPool): void {
  pool.on('connecting', ({ connection }) => void connection.on('error', () => undefined));
}

function viewOf(response: MetadataResponse): ClusterView {
  const topics = new Map<string, TopicView>();
  for (const { name, topicId, errorCode, isInternal, partitions } of response.topics) {
    if (errorCode !== 0 || isInternal || typeof name !== 'string') continue;
    const leaders: number[] = [];
    for (const partition of partitions) leaders[partition.partitionIndex] = partition.leaderId;
    const replicas = Math.min(...partitions.map(({ replicaNodes }) => replicaNodes.length));
    topics.set(name, { topic: name, topicId, leaders, replicas });
  }
  const brokers = new Map(response.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]));
  return { clusterId: response.clusterId ?? '', brokers, topics };
}
