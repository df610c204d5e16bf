import type { Follow } from '../port.ts';
import type { ClusterClient } from './cluster-client.ts';
import { reasonOf } from './errors.ts';
import type { KafkaSettings } from './settings.ts';
import { Bell } from './timing.ts';

/** Knows which topics there are, and tells those who listen about new ones. Polls only while somebody listens. */
export class TopicWatch {
  readonly #settings: KafkaSettings;
  readonly #cluster: ClusterClient;
  readonly #listeners = new Set<(topic: string) => void>();
  readonly #bell: Bell;
  #known: Set<string> | undefined;
  #closed = false;
  readonly #polling: Promise<void>;

  constructor(settings: KafkaSettings, cluster: ClusterClient) {
    this.#settings = settings;
    this.#cluster = cluster;
    this.#bell = new Bell(settings.clock);
    this.#polling = this.#poll();
  }

  /** All topics that exist now; listeners hear of those that are new among them. */
  async list(): Promise<string[]> {
    const view = await this.#cluster.retrying(() => this.#cluster.metadata('all'));
    const topics = [...view.topics.keys()];
    this.#observe(topics);
    return topics;
  }

  listen(onTopic: (topic: string) => void): Follow {
    const listener = (topic: string) => onTopic(topic);
    this.#listeners.add(listener);
    this.#bell.ring();
    return { stop: async () => void this.#listeners.delete(listener) };
  }

  /** This process has just made the topic. */
  made(topic: string): void {
    if (this.#known?.has(topic)) return;
    this.#known?.add(topic);
    this.#tell(topic);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#listeners.clear();
    this.#bell.ring();
    await this.#polling;
  }

  async #poll(): Promise<void> {
    while (!this.#closed) {
      await this.#bell.wait(this.#listeners.size === 0 ? undefined : this.#settings.topicPollMs);
      if (this.#closed || this.#listeners.size === 0) continue;
      try {
        await this.list();
      } catch (error) {
        this.#settings.logger.debug({ reason: reasonOf(error) }, 'topics not listed; the next poll does');
      }
    }
  }

  #observe(topics: readonly string[]): void {
    const known = this.#known;
    this.#known = new Set(topics);
    if (!known) return;
    for (const topic of topics) if (!known.has(topic)) this.#tell(topic);
  }

  #tell(topic: string): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(topic);
      } catch (error) {
        this.#settings.logger.error({ topic, reason: reasonOf(error) }, 'listener of new topics threw');
      }
    }
  }
}
