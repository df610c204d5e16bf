import { pause, type Clock } from '../clock.ts';
import { AppError, isAppError } from '../errors.ts';
import { failpoint } from '../failpoints.ts';
import type { Logger } from '../log.ts';
import type { AppendOptions, Stream, StreamRecord, TopicPartition, TopicSpec } from '../stream/port.ts';

export interface AppenderParts {
  stream: Stream;
  clock: Clock;
  logger: Logger;
  controlTopic: string;
  /** Topics that exist since the start. */
  knownTopics: Iterable<string>;
  /** Least time between two topics that are made. */
  makeIntervalMs: number;
  /** A topic that would have to wait longer than this is refused (retryable). */
  maxMakeWaitMs: number;
}

/**
 * Appends in call order. A room's topic is made before its first record, rate limited, and announced on the
 * control topic; what is appended to it meanwhile waits in order.
 */
export class Appender {
  readonly #parts: AppenderParts;
  readonly #known: Set<string>;
  readonly #gates = new Map<string, Promise<void>>();
  #nextMakeAtMs = 0;

  constructor(parts: AppenderParts) {
    this.#parts = parts;
    this.#known = new Set(parts.knownTopics);
  }

  /** Resolves when the record is in the log (or, droppable, was handed on). Fails like Stream.append. */
  async append(
    target: TopicPartition,
    spec: () => TopicSpec,
    record: StreamRecord,
    options?: AppendOptions,
  ): Promise<void> {
    try {
      const gate = this.#gateOf(target.topic, spec);
      if (gate) await gate;
      if (options?.durability !== 'droppable') failpoint('append:before');
      await this.#parts.stream.append(target, [record], options);
      if (options?.durability !== 'droppable') failpoint('append:after');
    } catch (error) {
      // The topic was taken away: the next append makes it again.
      if (isAppError(error, 'STREAM_TOPIC_MISSING')) this.#known.delete(target.topic);
      throw error;
    }
  }

  #gateOf(topic: string, spec: () => TopicSpec): Promise<void> | undefined {
    const open = this.#gates.get(topic);
    if (open) return open;
    if (this.#known.has(topic)) return undefined;
    const gate = this.#openTopic(spec());
    this.#gates.set(topic, gate);
    // The gate stays until all who wait at it have gone through: a later append must not overtake them.
    const done = () => this.#parts.clock.setImmediate(() => this.#gates.delete(topic));
    gate.then(done, done);
    return gate;
  }

  async #openTopic(spec: TopicSpec): Promise<void> {
    const { stream } = this.#parts;
    if ((await stream.identity(spec.topic)) === undefined) {
      await this.#waitForTurn();
      await stream.ensureTopics([spec]);
      this.#announce(spec.topic);
    }
    this.#known.add(spec.topic);
  }

  async #waitForTurn(): Promise<void> {
    const { clock, makeIntervalMs, maxMakeWaitMs } = this.#parts;
    const now = clock.now();
    const turnAt = Math.max(now, this.#nextMakeAtMs);
    if (turnAt - now > maxMakeWaitMs)
      throw new AppError('STREAM_UNAVAILABLE', { message: 'Too many new topics at once.' });
    this.#nextMakeAtMs = turnAt + makeIntervalMs;
    if (turnAt > now) await pause(clock, turnAt - now);
  }

  /** Tells the consumers; they find it by themselves after a while when this record is lost. */
  #announce(topic: string): void {
    const { stream, controlTopic, logger } = this.#parts;
    const value = new TextEncoder().encode(JSON.stringify({ op: 'topic-made', topic }));
    const record: StreamRecord = { key: topic, value, headers: { t: '4' } };
    stream.append({ topic: controlTopic, partition: 0 }, [record]).catch((error: unknown) => {
      logger.warn({ err: error, topic }, 'new topic not announced');
    });
  }
}
