import { LRUCache } from 'lru-cache';
import { systemClock, type Clock } from '../clock.ts';
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
  const refused: RefusedTopic[] = [];
  for (const topic of new Set(specs.map((spec) => spec.topic))) {
    const found = await requireIdentity(stream, topic);
    try {
      const epoch = adopt.includes(topic) ? store.adoptEpoch(found) : store.epochOf(found);
      epochs.set(topic, await epoch);
    } catch (error) {
      if (!isOtherLog(error)) throw error;
      refused.push({ error, found });
    }
  }
  if (refused.length > 0) throw explainIdentities(refused);
  return epochs;
}

export interface EpochBookOptions {
  stream: Pick<Stream, 'identity'>;
  store: Pick<PersistenceAdapter, 'epochOf'>;
  /** What `registerTopics` found at start. */
  known?: ReadonlyMap<string, number>;
  clock?: Clock;
  /** How long a topic is taken for the same one before the log is asked again, in ms. Default 10 s. */
  identityTtlMs?: number;
  maxTopics?: number;
}

interface KnownEpoch {
  epoch: number;
  /** Absent when only the epoch was given. */
  identity?: TopicIdentity;
  checkedAtMs: number;
}

/**
 * Epochs by topic. Each topic has one lookup at a time; the store is asked only about an identity that is new,
 * so that its outage does not stop what is known. A failed lookup is not kept.
 */
export class EpochBook {
  readonly #options: EpochBookOptions;
  readonly #clock: Clock;
  readonly #ttlMs: number;
  readonly #known: LRUCache<string, KnownEpoch>;
  readonly #lookups = new Map<string, Promise<KnownEpoch>>();

  constructor(options: EpochBookOptions) {
    const { known = new Map<string, number>(), clock = systemClock, identityTtlMs = 10_000 } = options;
    this.#options = options;
    this.#clock = clock;
    this.#ttlMs = identityTtlMs;
    this.#known = new LRUCache({ max: options.maxTopics ?? 50_000 });
    for (const [topic, epoch] of known) this.#known.set(topic, { epoch, checkedAtMs: clock.now() });
  }

  /**
   * STREAM_TOPIC_MISSING, STREAM_IDENTITY_CHANGED, STREAM_PARTITIONS_CHANGED, or an outage of log or store. With the
   * identity that the caller knows of the topic never the epoch of another one (STREAM_UNAVAILABLE).
   */
  async epochOf(topic: string, topicId?: string): Promise<number> {
    const known = this.#known.get(topic);
    if (known && this.#clock.now() - known.checkedAtMs < this.#ttlMs && isMeant(known, topicId))
      return known.epoch;
    const running = this.#lookups.get(topic);
    // One that is under way may have asked the log before the caller saw what is there.
    const found = running && (await running);
    if (found && isMeant(found, topicId)) return found.epoch;
    const asked = await (this.#lookups.get(topic) ?? this.#startLookup(topic, this.#known.get(topic)));
    if (isMeant(asked, topicId)) return asked.epoch;
    throw new AppError('STREAM_UNAVAILABLE', {
      message: 'The topic is another one than the one that was asked about.',
      data: { topic, topicId },
    });
  }

  /** To be called when the log has told that the topic is another one now. */
  forget(topic: string): void {
    this.#known.delete(topic);
    this.#lookups.delete(topic);
  }

  #startLookup(topic: string, known: KnownEpoch | undefined): Promise<KnownEpoch> {
    // A lookup that was forgotten meanwhile is not kept and does not take the place of the one after it.
    const finish = (found?: KnownEpoch) => {
      if (this.#lookups.get(topic) !== lookup) return;
      this.#lookups.delete(topic);
      if (found) this.#known.set(topic, found);
    };
    const lookup = this.#lookUp(topic, known).then(
      (found) => {
        finish(found);
        return found;
      },
      (error: unknown) => {
        finish();
        throw error;
      },
    );
    this.#lookups.set(topic, lookup);
    return lookup;
  }

  async #lookUp(topic: string, known: KnownEpoch | undefined): Promise<KnownEpoch> {
    const { stream, store } = this.#options;
    const checkedAtMs = this.#clock.now();
    const identity = await requireIdentity(stream, topic);
    if (known?.identity && isSame(known.identity, identity)) return { ...known, checkedAtMs };
    const epoch = await store.epochOf(identity).catch((error: unknown) => {
      throw explainIdentity(error, identity);
    });
    return { epoch, identity, checkedAtMs };
  }
}

function isMeant({ identity }: KnownEpoch, topicId: string | undefined): boolean {
  return topicId === undefined || identity?.topicId === topicId;
}

function isSame(one: TopicIdentity, two: TopicIdentity): boolean {
  return one.topicId === two.topicId && one.clusterId === two.clusterId && one.partitions === two.partitions;
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

function isOtherLog(error: unknown): error is AppError {
  return isAppError(error, 'STREAM_IDENTITY_CHANGED') || isAppError(error, 'STREAM_PARTITIONS_CHANGED');
}

interface RefusedTopic {
  error: AppError;
  found: TopicIdentity;
}

/** A lost log has several topics: all of them are named at once, not one for each start. */
function explainIdentities(refused: readonly RefusedTopic[]): AppError {
  const [{ error, found }] = refused as [RefusedTopic];
  const topics = refused.map((each) => each.found.topic);
  const data = refused.length === 1 ? { ...error.data, found } : { topics };
  return new AppError(error.type, {
    message:
      `${refused.map(describe).join('\n')} Check that this is the right log and the right database. ` +
      `If the change is meant, start once with YKAFKA_ADOPT_TOPICS=${topics.join(',')}: a new epoch begins, ` +
      `and what the old topic held and the database does not is lost.`,
    data,
    cause: error,
  });
}

function explainIdentity(error: unknown, found: TopicIdentity): unknown {
  return isOtherLog(error) ? explainIdentities([{ error, found }]) : error;
}

function describe({ error, found }: RefusedTopic): string {
  const { topic, topicId, clusterId, partitions } = found;
  if (isAppError(error, 'STREAM_PARTITIONS_CHANGED'))
    return (
      `The topic ${topic} has another number of partitions than before: recorded as ` +
      `${recorded(error.data)}, found with ${partitions} partitions.`
    );
  return (
    `The topic ${topic} is another one than before: recorded as ${recorded(error.data)}, found as ` +
    `topic id ${topicId} in cluster ${clusterId} with ${partitions} partitions.`
  );
}

/** What the store said about its row, e.g. `epoch 1, partitions 16`. */
function recorded(data: Record<string, unknown>): string {
  const fields = ['epoch', 'topicId', 'clusterId', 'partitions'].filter((field) => data[field] !== undefined);
  return fields.length === 0 ? 'unknown' : fields.map((field) => `${field} ${shown(data[field])}`).join(', ');
}

function shown(value: unknown): string {
  return String(value ?? 'unknown');
}
