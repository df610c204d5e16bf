import { Consumer, FetchIsolationLevels, type fetchV17 } from '@platformatic/kafka';
import { surviveSocketErrors } from './broker-connections.ts';
import { hasKafkaName, reasonOf } from './errors.ts';
import { maxBatchBytes, type KafkaSettings } from './settings.ts';

export interface FetchPosition {
  topicId: string;
  partition: number;
  offset: number;
}

export interface FetchNode {
  node: number;
  /** Of those who are asked about the cluster before the first fetch. */
  addresses: readonly string[];
}

export type FetchedPartition = fetchV17.FetchResponsePartition;

const REQUEST_TIMEOUT_MS = 5000;
const CONNECT_TIMEOUT_MS = 2000;
/** The broker and the library disagree about the fetch session; the library begins a new one. */
const SESSION_ERRORS = [
  'FETCH_SESSION_ID_NOT_FOUND',
  'INVALID_FETCH_SESSION_EPOCH',
  'FETCH_SESSION_TOPIC_ID_ERROR',
];

export function fetchKey(position: { topicId: string; partition: number }): string {
  return `${position.topicId}/${position.partition}`;
}

/** Reads partitions of one node without a group. Thrown away after any failure of the network. */
export class FetchClient {
  readonly node: number;
  readonly #settings: KafkaSettings;
  readonly #consumer: Consumer;
  /** The library allows one outstanding fetch for each consumer and node. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(settings: KafkaSettings, { node, addresses }: FetchNode, role: string) {
    this.node = node;
    this.#settings = settings;
    this.#consumer = new Consumer({
      clientId: `${settings.clientId}-${role}`,
      // Never joined: the library asks for a name, and `fetch` works without.
      groupId: `${settings.clientId}-${role}-without-group`,
      bootstrapBrokers: [...addresses],
      autocommit: false,
      retries: 0,
      connectTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
    });
    surviveSocketErrors(this.#consumer.connections);
  }

  /**
   * By `fetchKey`: the partitions that have something to say, an `errorCode` among it; one without news is left
   * out. Rejects when the node does not answer.
   */
  fetch(positions: readonly FetchPosition[], maxWaitMs: number): Promise<Map<string, FetchedPartition>> {
    const mine = this.#turn.then(() => this.#fetch(positions, maxWaitMs));
    this.#turn = mine.catch(() => undefined); // told to who asked; the next turn is another question
    return mine;
  }

  async close(): Promise<void> {
    try {
      await this.#consumer.close(true);
    } catch (error) {
      this.#settings.logger.debug({ reason: reasonOf(error) }, 'kafka connections not closed in order');
    }
  }

  async #fetch(positions: readonly FetchPosition[], maxWaitMs: number) {
    for (let attempt = 0; ; attempt++) {
      try {
        return byKey(await this.#consumer.fetch(this.#request(positions, maxWaitMs)));
      } catch (error) {
        if (hasKafkaName(error, ...SESSION_ERRORS) && attempt < 2) continue;
        // An error of one partition makes the whole answer an error; the answer itself is inside.
        const { response } = error as { response?: fetchV17.FetchResponse };
        if (response?.responses && response.errorCode === 0) return byKey(response);
        throw error;
      }
    }
  }

  #request(positions: readonly FetchPosition[], maxWaitTime: number) {
    // Every partition may hold one record of the longest size, else a big one could starve behind the others.
    const partitionMaxBytes = maxBatchBytes(this.#settings);
    const topics = new Map<string, fetchV17.FetchRequestTopic>();
    for (const { topicId, partition, offset } of positions) {
      let topic = topics.get(topicId);
      if (!topic) topics.set(topicId, (topic = { topicId, partitions: [] }));
      topic.partitions.push({
        partition,
        currentLeaderEpoch: -1,
        fetchOffset: BigInt(offset),
        lastFetchedEpoch: -1,
        partitionMaxBytes,
      });
    }
    return {
      node: this.node,
      topics: [...topics.values()],
      maxWaitTime,
      minBytes: 1,
      maxBytes: 2 * partitionMaxBytes,
      isolationLevel: FetchIsolationLevels.READ_COMMITTED,
    };
  }
}

function byKey(response: fetchV17.FetchResponse): Map<string, FetchedPartition> {
  const found = new Map<string, FetchedPartition>();
  for (const { topicId, partitions } of response.responses) {
    for (const partition of partitions)
      found.set(fetchKey({ topicId, partition: partition.partitionIndex }), partition);
  }
  return found;
}
