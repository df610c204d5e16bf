import type { Producer } from 'kafkajs';
import { AppError } from '../../errors.ts';
import type { StreamRecord, TopicPartition } from '../port.ts';
import type { PartitionRecord } from './droppable-lane.ts';
import { reasonOf } from './errors.ts';
import { createKafkaJsClient, retryOptions, type KafkaJsClient } from './kafkajs-client.ts';
import type { KafkaSettings } from './settings.ts';
import { settlesWithin } from './timing.ts';

export type Durability = 'log' | 'droppable';

/** kafkajs repeats by itself until then; what waits too long is rejected before (appendTimeoutMs). */
const LOG_RETRIES = 30;
const DROPPABLE_RETRIES = 1;
const ACKS_ALL = -1;
const ACKS_LEADER = 1;
const REQUEST_TIMEOUT_MS = 10_000;

/** How long a producer that is given up may finish what it sends for other partitions. */
const RETIRE_MS = 1000;

interface Live {
  client: KafkaJsClient;
  producer: Producer;
  connected: Promise<void>;
  sending: Set<Promise<unknown>>;
}

/** One kafkajs producer, and the next one when it has failed. */
export class ProducerSlot {
  readonly #settings: KafkaSettings;
  readonly #durability: Durability;
  readonly #brokers: () => readonly string[];
  #live: Live | undefined;
  readonly #retiring = new Set<Live>();
  #closed = false;

  constructor(settings: KafkaSettings, durability: Durability, brokers: () => readonly string[]) {
    this.#settings = settings;
    this.#durability = durability;
    this.#brokers = brokers;
  }

  /** The producer that is used now, for `renew`. */
  get current(): object | undefined {
    return this.#live;
  }

  /** Resolves when a producer is connected; rejects after the client's own retries. */
  async connect(): Promise<void> {
    if (this.#closed) throw new AppError('STREAM_CLOSED');
    const live = (this.#live ??= this.#create());
    try {
      await live.connected;
    } catch (error) {
      this.#drop(live);
      throw error;
    }
  }

  /**
   * One send of one partition: several in one send lose acknowledged records when a leader dies. Resolves with the
   * offset of the first record. After a rejection this producer is never used again, since it could use a
   * sequence number twice.
   */
  async send({ topic, partition }: TopicPartition, records: readonly StreamRecord[]): Promise<number> {
    const offsets = await this.sendTogether(
      topic,
      records.map((record) => ({ partition, record })),
    );
    return offsets.get(partition)!;
  }

  /**
   * The same of several partitions, for what may be lost. Resolves with the offset of the first record of each
   * partition that has taken what it was sent; rejects when none has.
   */
  async sendTogether(topic: string, records: readonly PartitionRecord[]): Promise<Map<number, number>> {
    await this.connect();
    const live = this.#live;
    if (!live) throw new AppError('STREAM_CLOSED');
    const sending = live.producer.send({
      topic,
      acks: this.#durability === 'log' ? ACKS_ALL : ACKS_LEADER,
      messages: records.map(toMessage),
    });
    live.sending.add(sending);
    try {
      const answers = await sending;
      // kafkajs resolves with no answer when it finds no leader for the partition: then nothing was sent.
      const offsets = new Map(
        answers.map(({ partition, baseOffset }) => [partition, Number(baseOffset ?? -1)] as const),
      );
      for (const [partition, offset] of offsets) if (!(offset >= 0)) offsets.delete(partition);
      if (offsets.size === 0) throw new AppError('STREAM_APPEND_FAILED');
      return offsets;
    } catch (error) {
      this.#drop(live);
      throw error;
    } finally {
      live.sending.delete(sending);
    }
  }

  /** The next send makes a new producer, if this one is still used; what it cannot finish soon fails. */
  renew(producer: object | undefined): void {
    if (this.#live && this.#live === producer) this.#drop(this.#live);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const live = this.#live;
    this.#live = undefined;
    for (const retiring of this.#retiring) retiring.client.abandon();
    if (!live) return;
    this.#retiring.add(live); // so that `abandon` reaches it while this still waits
    try {
      await live.producer.disconnect();
    } catch (error) {
      this.#settings.logger.debug({ reason: reasonOf(error) }, 'kafka producer not closed in order');
    } finally {
      live.client.abandon();
      this.#retiring.delete(live);
    }
  }

  /** For the end: nothing may leave any more, whatever still tries. */
  abandon(): void {
    this.#closed = true;
    this.#live?.client.abandon();
    for (const live of this.#retiring) live.client.abandon();
  }

  #create(): Live {
    const { clientId, logger } = this.#settings;
    const retries = this.#durability === 'log' ? LOG_RETRIES : DROPPABLE_RETRIES;
    const client = createKafkaJsClient({
      brokers: this.#brokers,
      clientId: `${clientId}-${this.#durability}`,
      logger,
      retries,
      requestTimeoutMs: REQUEST_TIMEOUT_MS,
    });
    const producer = client.kafka.producer({
      allowAutoTopicCreation: false,
      createPartitioner: () => partitionOfMessage,
      // A moved leader is noticed by its error. A refresh by age would fail because of any deleted topic.
      metadataMaxAge: Number.MAX_SAFE_INTEGER,
      retry: retryOptions(retries),
      ...(this.#durability === 'log' ? { idempotent: true, maxInFlightRequests: 1 } : {}),
    });
    const connected = producer.connect();
    connected.catch(() => undefined); // heard by whoever waits in `connect`
    return { client, producer, connected, sending: new Set() };
  }

  #drop(live: Live): void {
    if (this.#live !== live) return;
    this.#live = undefined;
    void this.#retire(live);
  }

  async #retire(live: Live): Promise<void> {
    this.#retiring.add(live);
    await settlesWithin(this.#settings.clock, Promise.allSettled([...live.sending]), RETIRE_MS);
    live.client.abandon();
    this.#retiring.delete(live);
    try {
      await live.producer.disconnect();
    } catch (error) {
      this.#settings.logger.debug({ reason: reasonOf(error) }, 'kafka producer not closed in order');
    }
  }
}

function partitionOfMessage({ message }: { message: { partition?: number } }): number {
  return message.partition ?? 0;
}

function toMessage({ partition, record: { key, value, headers } }: PartitionRecord) {
  return {
    partition,
    key,
    value: Buffer.from(value.buffer, value.byteOffset, value.byteLength),
    headers: { ...headers },
  };
}
