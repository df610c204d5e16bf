import { LRUCache } from 'lru-cache';
import { AppError, isAppError } from '../errors.ts';
import type { PersistenceAdapter } from '../store/port.ts';
import type { Stream, TopicIdentity, TopicSpec } from './port.ts';

type EpochStore = Pick<PersistenceAdapter, 'epochOf' | 'adoptEpoch'>;

export interface RegisterTopicsOptions {
  stream: Pick<Stream, 'ensureTopics' | 'identity'>;
  store: EpochStore;
  specs: readonly TopicSpec[];
  /** Topics whose changed identity an operator takes as a new epoch (`adoptTopics` of the configuration). */
  adopt?: readonly string[];
}

/**
 * Makes the topics that are missing and gives the epoch of each. STREAM_PARTITIONS_CHANGED or
 * STREAM_IDENTITY_CHANGED, with a message for the operator, when the log is not the one that the store knows.
 */
export async function registerTopics(options: RegisterTopicsOptions): Promise<Map<string, number>> {
  const { stream, store, specs, adopt = [] } = options;
  await stream.ensureTopics(specs).catch((error: unknown) => {
    throw explainConfiguredPartitions(error);
  });
  const epochs = new Map<string, number>();
  for (const { topic } of specs) {
    if (epochs.has(topic)) continue;
    const identity = await requireIdentity(stream, topic);
    const epoch = adopt.includes(topic) ? store.adoptEpoch(identity) : store.epochOf(identity);
    epochs.set(
      topic,
      await epoch.catch((error: unknown) => {
        throw explainIdentity(error, identity);
      }),
    );
  }
  return epochs;
}

export interface EpochBookOptions {
  stream: Pick<Stream, 'identity'>;
  store: Pick<PersistenceAdapter, 'epochOf'>;
  /** What `registerTopics` found at start. */
  known?: ReadonlyMap<string, number>;
  maxTopics?: number;
}

/** Epochs by topic: each topic is asked for once, by one lookup at a time; a failed lookup is not kept. */
export class EpochBook {
  readonly #stream: Pick<Stream, 'identity'>;
  readonly #store: Pick<PersistenceAdapter, 'epochOf'>;
  readonly #epochs: LRUCache<string, number>;
  readonly #lookups = new Map<string, Promise<number>>();

  constructor({ stream, store, known = new Map(), maxTopics = 50_000 }: EpochBookOptions) {
    this.#stream = stream;
    this.#store = store;
    this.#epochs = new LRUCache({ max: maxTopics });
    for (const [topic, epoch] of known) this.#epochs.set(topic, epoch);
  }

  /** STREAM_TOPIC_MISSING, STREAM_IDENTITY_CHANGED, STREAM_PARTITIONS_CHANGED, or an outage of log or store. */
  epochOf(topic: string): Promise<number> {
    const epoch = this.#epochs.get(topic);
    if (epoch !== undefined) return Promise.resolve(epoch);
    const running = this.#lookups.get(topic);
    if (running) return running;
    // A lookup that was forgotten meanwhile is not kept and does not take the place of the one after it.
    const finish = (epoch?: number) => {
      if (this.#lookups.get(topic) !== lookup) return;
      this.#lookups.delete(topic);
      if (epoch !== undefined) this.#epochs.set(topic, epoch);
    };
    const lookup = this.#lookUp(topic).then(
      (epoch) => {
        finish(epoch);
        return epoch;
      },
      (error: unknown) => {
        finish();
        throw error;
      },
    );
    this.#lookups.set(topic, lookup);
    return lookup;
  }

  /** To be called when the log has told that the topic is another one now. */
  forget(topic: string): void {
    this.#epochs.delete(topic);
    this.#lookups.delete(topic);
  }

  async #lookUp(topic: string): Promise<number> {
    const identity = await requireIdentity(this.#stream, topic);
    return this.#store.epochOf(identity).catch((error: unknown) => {
      throw explainIdentity(error, identity);
    });
  }
}

async function requireIdentity(stream: Pick<Stream, 'identity'>, topic: string): Promise<TopicIdentity> {
  const identity = await stream.identity(topic);
  if (!identity) throw new AppError('STREAM_TOPIC_MISSING', { data: { topic } });
  return identity;
}

/** The topic has another partition count than PARTITIONS says: the room's partitions would all move. */
function explainConfiguredPartitions(error: unknown): unknown {
  if (!isAppError(error, 'STREAM_PARTITIONS_CHANGED')) return error;
  const { topic, found, expected } = error.data;
  return new AppError('STREAM_PARTITIONS_CHANGED', {
    message:
      `The topic ${shown(topic)} has ${shown(found)} partitions, the configuration asks for ${shown(expected)}. ` +
      `Set PARTITIONS=${shown(found)}: the count decides where each room lies and is fixed at first start.`,
    data: error.data,
    cause: error,
  });
}

function explainIdentity(error: unknown, found: TopicIdentity): unknown {
  const { topic } = found;
  const adopt =
    `Check that this is the right log and the right database. ` +
    `If the change is meant, start once with YKAFKA_ADOPT_TOPICS=${topic}: a new epoch begins, ` +
    `and what the old topic held and the database does not is lost.`;
  if (isAppError(error, 'STREAM_IDENTITY_CHANGED')) {
    return new AppError('STREAM_IDENTITY_CHANGED', {
      message:
        `The topic ${topic} is another one than before: recorded as ${recorded(error.data)}, found as ` +
        `topic id ${found.topicId} in cluster ${found.clusterId} with ${found.partitions} partitions. ${adopt}`,
      data: { ...error.data, found },
      cause: error,
    });
  }
  if (isAppError(error, 'STREAM_PARTITIONS_CHANGED')) {
    return new AppError('STREAM_PARTITIONS_CHANGED', {
      message:
        `The topic ${topic} has another number of partitions than before: recorded as ` +
        `${recorded(error.data)}, found with ${found.partitions} partitions. ${adopt}`,
      data: { ...error.data, found },
      cause: error,
    });
  }
  return error;
}

/** What the store said about its row, e.g. `epoch 1, partitions 16`. */
function recorded(data: Record<string, unknown>): string {
  const fields = ['epoch', 'topicId', 'clusterId', 'partitions'].filter((field) => data[field] !== undefined);
  return fields.length === 0 ? 'unknown' : fields.map((field) => `${field} ${shown(data[field])}`).join(', ');
}

function shown(value: unknown): string {
  return String(value ?? 'unknown');
}
