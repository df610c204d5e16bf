import { AppError } from '../../../lib/errors.ts';
import type {
  AppendOptions,
  FollowRequest,
  RecordBatch,
  StartedFollow,
  Stream,
  StreamRecord,
  TopicPartition,
} from '../../../lib/stream/port.ts';

/** The log with faults at its port: failing appends, lost answers, a follow that is held back. */
export class FaultyStream {
  /** What happens to the next appends to doc topics. */
  fate: (record: StreamRecord) => 'append' | 'fail' | 'append-then-fail' | 'hang' = () => 'append';
  /** An answer that is lost is lost only after this. */
  answerLost: Promise<void> = Promise.resolve();
  readonly #stream: Stream;
  #held: (() => void)[] | undefined;
  #heldTopic: string | undefined;
  #follows: { request: FollowRequest; follow: StartedFollow }[] = [];
  readonly port: Stream;

  constructor(stream: Stream) {
    this.#stream = stream;
    const own: Partial<Stream> = {
      append: (target, records, options) => this.#append(target, records, options),
      follow: (request) => this.#follow(request),
    };
    this.port = new Proxy(stream, {
      get: (target, name: keyof Stream) => {
        const value = own[name] ?? target[name];
        return typeof value === 'function' ? (value as () => unknown).bind(target) : value;
      },
    });
  }

  /** The follow (of one topic, or every follow) delivers nothing until `release`. */
  hold(topic?: string): void {
    this.#held = [];
    this.#heldTopic = topic;
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const deliver of held) deliver();
  }

  async #append(target: TopicPartition, records: readonly StreamRecord[], options?: AppendOptions) {
    if (options?.durability === 'droppable') return this.#stream.append(target, records, options);
    const fate = this.fate(records[0]!);
    if (fate === 'hang') return new Promise<number[]>(() => undefined);
    const offsets = fate === 'fail' ? [] : await this.#stream.append(target, records, options);
    if (fate === 'append-then-fail') await this.answerLost;
    if (fate !== 'append') throw new AppError('STREAM_APPEND_FAILED');
    return offsets;
  }

  /** Ends every follow as the log does when it cannot go on. */
  async breakFollows(error: Error): Promise<void> {
    for (const { request, follow } of this.#follows.splice(0)) {
      await follow.stop();
      request.onError?.(error, { retrying: false });
    }
  }

  async #follow(request: FollowRequest) {
    const onBatch = (batch: RecordBatch): void | Promise<void> => {
      const isHeld = this.#heldTopic === undefined || this.#heldTopic === batch.topic;
      if (!this.#held || !isHeld) return request.onBatch(batch);
      this.#held.push(() => void request.onBatch(batch));
      return undefined;
    };
    const follow = await this.#stream.follow({ ...request, onBatch });
    this.#follows.push({ request, follow });
    return follow;
  }
}
