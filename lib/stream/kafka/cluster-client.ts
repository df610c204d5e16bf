import { FetchIsolationLevels, listOffsetsV9, metadataV12, type Broker } from '@platformatic/kafka';
import { pause } from '../../clock.ts';
import { AppError, isAppError } from '../../errors.ts';
import type { TopicPartition } from '../port.ts';
import { addressOf, BrokerConnections } from './broker-connections.ts';
import { toStreamError } from './errors.ts';
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
const RETRY_PAUSE_MS = 100;

/**
 * Questions about topics, leaders and offsets, on connections of its own, since Kafka answers the requests of one
 * connection one after the other and a long poll would hold them up. Written on the request level because
 * kafkajs' metadata has no topic ids and the library's clients fail as a whole when one topic is missing.
 */
export class ClusterClient {
  readonly #settings: KafkaSettings;
  readonly #connections: BrokerConnections;
  readonly #leaders = new Map<string, TopicView>();
  #brokers: ReadonlyMap<number, Broker> = new Map();
  #closed = false;

  constructor(settings: KafkaSettings) {
    this.#settings = settings;
    this.#connections = new BrokerConnections(settings);
  }

  /** host:port of all brokers known, those that did not answer last: where other clients begin. */
  get addresses(): readonly string[] {
    return this.#connections.addresses;
  }

  /** Where a client of one node begins: at that node, so that no other one can hold it up. */
  addressesOf(node: number): readonly string[] {
    const broker = this.#brokers.get(node);
    return broker ? [addressOf(broker)] : this.addresses;
  }

  /** One request; 'all' for every topic. Rejects when no broker answers. */
  async metadata(topics: readonly string[] | 'all'): Promise<ClusterView> {
    if (this.#closed) throw new AppError('STREAM_CLOSED');
    const response = await this.#connections.askAny(async (connection) => {
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
    this.#connections.know(view.brokers.values());
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

  /** From memory, and perhaps no longer true; undefined while it is not known. */
  knownLeaderOf({ topic, partition }: TopicPartition): number | undefined {
    const leader = this.#leaders.get(topic)?.leaders[partition];
    return leader === undefined || leader < 0 ? undefined : leader;
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
    await this.#connections.close();
  }

  async #listOffset({ topic, partition }: TopicPartition, leader: number, timestamp: bigint) {
    const broker = this.#brokers.get(leader);
    if (!broker) throw new AppError('STREAM_UNAVAILABLE', { message: 'The partition has no leader now.' });
    return this.#connections.ask(broker, async (connection) => {
      const partitions = [{ partitionIndex: partition, currentLeaderEpoch: -1, timestamp }];
      const answer = await listOffsetsV9.api.async(connection, -1, FetchIsolationLevels.READ_COMMITTED, [
        { name: topic, partitions },
      ]);
      return Number(answer.topics[0]!.partitions[0]!.offset);
    });
  }
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
