import { pause, type Clock } from '../../clock.ts';
import { ClusterClient } from './cluster-client.ts';
import { reasonOf } from './errors.ts';
import { createKafkaJsClient, retryOptions } from './kafkajs-client.ts';
import { nodeOfGroup, nodeOfTopic, nodeTopics } from './transporter-names.ts';
import { settingsOfTransporter, type TransporterTopicsOptions } from './transporter-topics.ts';

const RETRIES = 2;
const REQUEST_TIMEOUT_MS = 5_000;
const DELETE_TIMEOUT_MS = 10_000;

export interface CleanOptions extends Omit<TransporterTopicsOptions, 'nodeId'> {
  clock: Clock;
  /** Of who cleans; only a name towards Kafka. */
  nodeId: string;
}

export interface CleanRequest {
  /** Nodes that are known to live: never touched. */
  living?: readonly string[];
  /** A node that gives a sign between two looks lives. */
  lookAgainMs: number;
}

export interface Cleaned {
  groups: string[];
  topics: string[];
}

/**
 * Takes away what nodes of the transporter leave in Kafka: consumer groups without members and topics of nodes
 * that are gone. Kafka itself refuses to delete a group that has a member.
 */
export class TransporterCleaner {
  readonly #options: CleanOptions;
  readonly #cluster: ClusterClient;
  readonly #client;
  readonly #admin;
  #connected: Promise<void> | undefined;

  constructor(options: CleanOptions) {
    this.#options = options;
    const settings = settingsOfTransporter(options);
    this.#cluster = new ClusterClient(settings);
    this.#client = createKafkaJsClient({
      brokers: () => this.#cluster.addresses,
      clientId: `${options.nodeId}-clean`,
      logger: options.logger,
      retries: RETRIES,
      requestTimeoutMs: REQUEST_TIMEOUT_MS,
    });
    this.#admin = this.#client.kafka.admin({ retry: retryOptions(RETRIES) });
  }

  /**
   * Deletes groups of former starts of one node: those without members. For the process that holds the node id:
   * nobody else can have started it. Returns what it deleted.
   */
  async forgetFormerStarts(nodeId: string, ownGroup: string): Promise<string[]> {
    const groups = await this.#groups();
    const former = groups.filter(({ node, group }) => node === nodeId && group !== ownGroup);
    return this.#deleteGroups(await this.#withoutMembers(former.map(({ group }) => group)));
  }

  /** Deletes the group of a start that is over. */
  async forgetStart(group: string): Promise<void> {
    await this.#connect();
    await this.#deleteGroups([group]);
  }

  /**
   * Deletes topics and groups of nodes that are gone: not among `living`, without a group that has a member, and
   * without anything new in their topics between two looks. A frozen process counts as gone after a minute.
   */
  async forgetVanishedNodes({ living = [], lookAgainMs }: CleanRequest): Promise<Cleaned> {
    const before = await this.#vanished(living);
    await pause(this.#options.clock, lookAgainMs);
    const after = await this.#vanished(living);
    const nodes = [...after.keys()].filter((node) => before.get(node) === after.get(node));
    const groups = (await this.#groups()).filter(({ node }) => nodes.includes(node));
    const names = new Set(
      (await this.#topics()).filter(({ node }) => nodes.includes(node)).map(({ topic }) => topic),
    );
    const topics = [...names];
    if (topics.length > 0) await this.#admin.deleteTopics({ topics, timeout: DELETE_TIMEOUT_MS });
    return { topics, groups: await this.#deleteGroups(groups.map(({ group }) => group)) };
  }

  async close(): Promise<void> {
    try {
      if (this.#connected) await this.#admin.disconnect();
    } catch (error) {
      this.#options.logger.debug({ reason: reasonOf(error) }, 'kafka admin not closed in order');
    } finally {
      this.#client.abandon();
      await this.#cluster.close();
    }
  }

  /** Nodes without a sign of life, each with the ends of its topics. */
  async #vanished(living: readonly string[]): Promise<Map<string, string>> {
    const groups = await this.#groups();
    const empty = new Set(await this.#withoutMembers(groups.map(({ group }) => group)));
    const alive = new Set([
      ...living,
      ...groups.filter(({ group }) => !empty.has(group)).map(({ node }) => node),
    ]);
    const topics = await this.#topics();
    const found = new Map<string, string>();
    for (const node of new Set([...topics, ...groups].map((item) => item.node))) {
      if (alive.has(node)) continue;
      const own = nodeTopics(this.#options.config.namespace, node);
      const ends = own.map((topic) => this.#cluster.offset({ topic, partition: 0 }, 'end'));
      found.set(node, (await Promise.all(ends)).join());
    }
    return found;
  }

  async #topics(): Promise<{ topic: string; node: string }[]> {
    const { topics } = await this.#cluster.retrying(() => this.#cluster.metadata('all'));
    return [...topics.keys()].flatMap((topic) => {
      const node = nodeOfTopic(this.#options.config.namespace, topic);
      return node === undefined ? [] : [{ topic, node }];
    });
  }

  async #groups(): Promise<{ group: string; node: string }[]> {
    await this.#connect();
    const { groups } = await this.#admin.listGroups();
    return groups.flatMap(({ groupId: group }) => {
      const node = nodeOfGroup(this.#options.config.namespace, group);
      return node === undefined ? [] : [{ group, node }];
    });
  }

  async #withoutMembers(groups: readonly string[]): Promise<string[]> {
    if (groups.length === 0) return [];
    const { groups: found } = await this.#admin.describeGroups([...groups]);
    return found.filter(({ members }) => members.length === 0).map(({ groupId }) => groupId);
  }

  /** One by one: a group that has a member again, or is gone, is no reason to keep the others. */
  async #deleteGroups(groups: readonly string[]): Promise<string[]> {
    const deleted: string[] = [];
    for (const group of groups) {
      try {
        await this.#admin.deleteGroups([group]);
        deleted.push(group);
      } catch (error) {
        this.#options.logger.debug({ group, reason: reasonOf(error) }, 'consumer group stays');
      }
    }
    return deleted;
  }

  async #connect(): Promise<void> {
    await this.#cluster.retrying(() => this.#cluster.metadata([]));
    this.#connected ??= this.#admin.connect();
    try {
      await this.#connected;
    } catch (error) {
      this.#connected = undefined;
      throw error;
    }
  }
}
