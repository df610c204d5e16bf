import kafkajs from 'kafkajs';
import { pause } from '../../clock.ts';
import { AppError } from '../../errors.ts';
import type { TopicSpec } from '../port.ts';
import type { ClusterClient, ClusterView } from './cluster-client.ts';
import { hasKafkaName, reasonOf, toStreamError } from './errors.ts';
import { createKafkaJsClient, retryOptions } from './kafkajs-client.ts';
import type { KafkaSettings } from './settings.ts';
import { topicConfig, warnOfDifferences, type NewTopic } from './topic-settings.ts';

type AdminSettings = Pick<KafkaSettings, 'clientId' | 'logger' | 'clock' | 'replicationFactor'>;

const CREATE_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 15_000;
const LEADER_POLL_MS = 10;
/**
 * A broker that has just died is named as controller until its session with the cluster ends (9 s by default), and
 * kafkajs' own few retries are over before that.
 */
const CONTROLLER_CHANGE_MS = 20_000;
const CONTROLLER_POLL_MS = 500;

/** Makes topics and reads their settings, through kafkajs' admin. The client lives as long as the object. */
export class TopicAdmin {
  readonly #settings: AdminSettings;
  readonly #client;
  readonly #admin;
  #connected: Promise<void> | undefined;
  #isClosed = false;

  constructor(settings: AdminSettings, cluster: ClusterClient) {
    this.#settings = settings;
    const { clientId, logger } = settings;
    this.#client = createKafkaJsClient({
      brokers: () => cluster.addresses,
      clientId: `${clientId}-admin`,
      logger,
      retries: 3,
      requestTimeoutMs: REQUEST_TIMEOUT_MS,
    });
    this.#admin = this.#client.kafka.admin({ retry: retryOptions(3) });
  }

  /** Makes those that do not exist; one that somebody else makes at the same time is no error. */
  async create(topics: readonly NewTopic[]): Promise<void> {
    if (topics.length === 0) return;
    await this.#retrying(() =>
      this.#admin.createTopics({
        // Processes that start together make the same topics: kafkajs then fails while one of them waits. `withLeaders` waits.
        waitForLeaders: false,
        timeout: CREATE_TIMEOUT_MS,
        topics: topics.map(({ topic, partitions, config }) => ({
          topic,
          numPartitions: partitions,
          replicationFactor: this.#settings.replicationFactor,
          configEntries: Object.entries(config).map(([name, value]) => ({ name, value: String(value) })),
        })),
      }),
    );
  }

  /** The settings of existing topics by topic and name. */
  async describe(topics: readonly string[]): Promise<Map<string, Map<string, string>>> {
    const { resources } = await this.#retrying(() =>
      this.#admin.describeConfigs({
        includeSynonyms: false,
        resources: topics.map((name) => ({ type: kafkajs.ConfigResourceTypes.TOPIC, name })),
      }),
    );
    return new Map(
      resources.map(({ resourceName, configEntries }) => [
        resourceName,
        new Map(configEntries.map(({ configName, configValue }) => [configName, configValue])),
      ]),
    );
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    try {
      if (this.#connected) await this.#admin.disconnect();
    } catch (error) {
      this.#settings.logger.debug({ reason: reasonOf(error) }, 'kafka admin not closed in order');
    } finally {
      this.#client.abandon();
    }
  }

  #explained(error: unknown): AppError {
    if (!hasKafkaName(error, 'INVALID_REPLICATION_FACTOR')) return toStreamError(error);
    const { replicationFactor } = this.#settings;
    return new AppError('BAD_CONFIG', {
      message: `Topics with ${replicationFactor} copies (YKAFKA_REPLICATION_FACTOR) need as many brokers.`,
      cause: error,
    });
  }

  /** Both requests may be made twice without harm. Rejects with STREAM_UNAVAILABLE when no controller is found in time. */
  async #retrying<T>(request: () => Promise<T>): Promise<T> {
    const { clock } = this.#settings;
    const deadline = clock.now() + CONTROLLER_CHANGE_MS;
    for (;;) {
      try {
        await this.#connect();
        return await request();
      } catch (error) {
        const explained = this.#explained(error);
        const mayPass = explained.type === 'STREAM_UNAVAILABLE' && !this.#isClosed;
        if (!mayPass || clock.now() >= deadline) throw explained;
        await pause(clock, CONTROLLER_POLL_MS);
      }
    }
  }

  async #connect(): Promise<void> {
    this.#connected ??= this.#admin.connect();
    try {
      await this.#connected;
    } catch (error) {
      this.#connected = undefined;
      throw error;
    }
  }
}

/**
 * The specs' topics with the settings of their kind; all have leaders on return. Returns those that were made. An
 * existing one with other settings is a warning.
 */
export async function ensureTopics(
  specs: readonly TopicSpec[],
  parts: { settings: KafkaSettings; cluster: ClusterClient; admin: TopicAdmin },
): Promise<string[]> {
  const { settings, cluster, admin } = parts;
  const byName = new Map(specs.map((spec) => [spec.topic, spec]));
  const names = [...byName.keys()];
  const before = await cluster.retrying(() => cluster.metadata(names));
  const wanted = [...byName.values()].map(({ topic, partitions, kind }) => ({
    topic,
    partitions,
    config: topicConfig(kind, settings),
  }));
  const missing = wanted.filter(({ topic }) => !before.topics.has(topic));
  await admin.create(missing);
  const after = missing.length === 0 ? before : await withLeaders(names, { settings, cluster });
  for (const spec of specs) requirePartitions(spec, after);
  await warnOfDifferences(
    wanted.filter((topic) => !missing.includes(topic)),
    {
      view: after,
      replicationFactor: settings.replicationFactor,
      describe: (topics) => admin.describe(topics),
      logger: settings.logger,
    },
  );
  return missing.map(({ topic }) => topic);
}

/** kafkajs does not wait for the leaders of any topic when one of them existed. */
async function withLeaders(
  names: readonly string[],
  { settings, cluster }: { settings: KafkaSettings; cluster: ClusterClient },
): Promise<ClusterView> {
  const deadline = settings.clock.now() + CREATE_TIMEOUT_MS;
  for (;;) {
    const view = await cluster.retrying(() => cluster.metadata(names));
    const areReady = names.every((name) => view.topics.get(name)?.leaders.every((leader) => leader >= 0));
    if (areReady) return view;
    if (settings.clock.now() > deadline)
      throw new AppError('STREAM_UNAVAILABLE', { data: { topics: names } });
    await pause(settings.clock, LEADER_POLL_MS);
  }
}

function requirePartitions({ topic, partitions }: TopicSpec, view: ClusterView): void {
  const found = view.topics.get(topic)?.leaders.length;
  if (found !== partitions)
    throw new AppError('STREAM_PARTITIONS_CHANGED', { data: { topic, expected: partitions, found } });
}
