import { AppError } from '../../errors.ts';
import type { ClusterClient } from './cluster-client.ts';

interface Waiting {
  resolve: (topicId: string | undefined) => void;
  reject: (error: unknown) => void;
}

/**
 * Notices a topic that was deleted and made again. kafkajs fetches by name, and would hand on the records of the new
 * topic at the offsets of the old one: so what it has fetched counts only if the topic still is the one that was
 * first seen, asked after the fetch. Questions that arrive while one is on its way share the next.
 */
export class TopicIdentities {
  readonly #cluster: ClusterClient;
  readonly #first = new Map<string, string>();
  #waiting = new Map<string, Waiting[]>();
  #isAsking = false;

  constructor(cluster: ClusterClient) {
    this.#cluster = cluster;
  }

  /** Its identity. STREAM_IDENTITY_CHANGED when the topic is another one, STREAM_TOPIC_MISSING when there is none. */
  async requireSame(topic: string): Promise<string> {
    const is = await new Promise<string | undefined>((resolve, reject) => {
      const others = this.#waiting.get(topic) ?? [];
      this.#waiting.set(topic, [...others, { resolve, reject }]);
      if (!this.#isAsking) void this.#ask();
    });
    if (is === undefined) throw new AppError('STREAM_TOPIC_MISSING', { data: { topic } });
    const was = this.#first.get(topic) ?? is;
    this.#first.set(topic, was);
    if (was !== is) throw new AppError('STREAM_IDENTITY_CHANGED', { data: { topic, was, is } });
    return is;
  }

  async #ask(): Promise<void> {
    this.#isAsking = true;
    while (this.#waiting.size > 0) {
      const waiting = this.#waiting;
      this.#waiting = new Map();
      try {
        const { topics } = await this.#cluster.metadata([...waiting.keys()]);
        for (const [topic, asked] of waiting)
          for (const { resolve } of asked) resolve(topics.get(topic)?.topicId);
      } catch (error) {
        for (const asked of waiting.values()) for (const { reject } of asked) reject(error);
      }
    }
    this.#isAsking = false;
  }
}
