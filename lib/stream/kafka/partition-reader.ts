import { AppError } from '../../errors.ts';
import type { RecordBatch, ReadRequest, TopicPartition } from '../port.ts';
import type { ClusterClient } from './cluster-client.ts';
import { FetchClient, fetchKey, type FetchedPartition, type FetchPosition } from './fetch-client.ts';
import { isAtEnd, toRecordBatch } from './record-batch.ts';
import type { KafkaSettings } from './settings.ts';

const OFFSET_OUT_OF_RANGE = 1;

/** Reads what is already in the log: ranges for joins, and the backlog of a follow. Never waits for new records. */
export class PartitionReader {
  readonly #settings: KafkaSettings;
  readonly #cluster: ClusterClient;
  readonly #clients = new Map<number, FetchClient>();
  #closed = false;

  constructor(settings: KafkaSettings, cluster: ClusterClient) {
    this.#settings = settings;
    this.#cluster = cluster;
  }

  /** One fetch; undefined when the node had nothing to say. Rejects when it does not answer. */
  async fetch(node: number, position: FetchPosition): Promise<FetchedPartition | undefined> {
    if (this.#closed) throw new AppError('STREAM_CLOSED');
    let client = this.#clients.get(node);
    if (!client) {
      const addresses = this.#cluster.addressesOf(node);
      client = new FetchClient(this.#settings, { node, addresses }, `read-${node}`);
      this.#clients.set(node, client);
    }
    try {
      return (await client.fetch([position], 0)).get(fetchKey(position));
    } catch (error) {
      if (this.#clients.get(node) === client) this.#clients.delete(node);
      void client.close();
      throw error;
    }
  }

  async read(request: ReadRequest): Promise<RecordBatch> {
    const { topic, partition, fromOffset, toOffset, maxBytes } = request;
    const found = emptyBatch({ topic, partition }, fromOffset);
    let bytes = 0;
    while (found.nextOffset < toOffset) {
      const { batch, atEnd } = await this.#cluster.retrying(() => this.#readOnce(request, found.nextOffset));
      for (const record of batch.records) {
        if (record.offset >= toOffset) break;
        bytes += record.value.byteLength;
        if (bytes > maxBytes)
          throw new AppError('STORE_BEHIND', { data: { topic, partition, fromOffset, toOffset, maxBytes } });
        found.records.push(record);
      }
      // Behind the range there may be records that were left out here: reading goes on exactly at its end.
      found.nextOffset = Math.min(batch.nextOffset, toOffset);
      if (atEnd) break;
    }
    return found;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#clients.values()].map((client) => client.close()));
  }

  async #readOnce(
    target: TopicPartition,
    fetchOffset: number,
  ): Promise<{ batch: RecordBatch; atEnd: boolean }> {
    const view = await this.#cluster.leaderOf(target);
    if (!view) throw new AppError('STREAM_TOPIC_MISSING', { data: { ...target } });
    const position = { topicId: view.topicId, partition: target.partition, offset: fetchOffset };
    try {
      const fetched = await this.fetch(view.leader, position);
      // Within a fetch session the node leaves out a partition that has nothing new.
      if (!fetched) return { batch: emptyBatch(target, fetchOffset), atEnd: true };
      if (fetched.errorCode === OFFSET_OUT_OF_RANGE)
        throw new AppError('STREAM_OFFSET_OUT_OF_RANGE', { data: { ...target, offset: fetchOffset } });
      if (fetched.errorCode !== 0)
        throw new AppError('STREAM_UNAVAILABLE', { data: { errorCode: fetched.errorCode } });
      const batch = toRecordBatch(target, fetchOffset, fetched);
      return { batch, atEnd: isAtEnd(batch, fetched) };
    } catch (error) {
      this.#cluster.forget(target.topic);
      throw error;
    }
  }
}

function emptyBatch({ topic, partition }: TopicPartition, offset: number): RecordBatch {
  return { topic, partition, fetchOffset: offset, nextOffset: offset, records: [] };
}
