import type { Clock, TimerHandle } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { RecordBatch, StartedFollow, Stream, StreamRecord } from '../stream/port.ts';
import { readChange, type DocumentChange } from './announcement.ts';

export interface ControlFollowParts {
  stream: Pick<Stream, 'follow'>;
  controlTopic: string;
  clock: Clock;
  logger: Logger;
  onChange: (change: DocumentChange) => void;
  /** Every record, before `onChange`. */
  onRecord?: (record: StreamRecord) => void;
  /** Changes may have been missed. */
  onGap?: () => void;
}

const RESTART_DELAY_MS = 500;

/** Hears of deleted and replaced documents, from the end of the control topic on. A follow that breaks is made again. */
export class ControlFollow {
  readonly #parts: ControlFollowParts;
  #follow: StartedFollow | undefined;
  #retry: TimerHandle | undefined;
  #isStopped = false;
  /** Of attempts to follow: what an earlier one brings late is not heard. */
  #attempt = 0;

  constructor(parts: ControlFollowParts) {
    this.#parts = parts;
  }

  /** False before the start and while a broken follow is being made again. */
  get isFollowing(): boolean {
    return this.#follow !== undefined;
  }

  /** Resolves when the follow has begun, or will be tried again. Never rejects. */
  async start(): Promise<void> {
    const { stream, controlTopic, logger } = this.#parts;
    const attempt = ++this.#attempt;
    try {
      const follow = await stream.follow({
        topic: controlTopic,
        partition: 0,
        fromOffset: 'end',
        onBatch: (batch) => this.#onBatch(attempt, batch),
        onError: (error, { retrying }) => {
          if (attempt !== this.#attempt || this.#isStopped) return;
          logger.warn({ err: error, retrying }, 'control topic not followed');
          if (!retrying) this.#restartLater();
        },
      });
      if (this.#isStopped || attempt !== this.#attempt) return void (await follow.stop());
      this.#follow = follow;
    } catch (error) {
      logger.warn({ err: error, retrying: false }, 'control topic not followed');
      this.#restartLater();
    }
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#retry?.cancel();
    await this.#follow?.stop();
  }

  #onBatch(attempt: number, { records }: RecordBatch): void {
    if (this.#isStopped || attempt !== this.#attempt) return;
    for (const record of records) {
      this.#parts.onRecord?.(record);
      const change = readChange(record);
      if (change) this.#parts.onChange(change);
    }
  }

  #restartLater(): void {
    this.#follow = undefined;
    this.#retry?.cancel();
    if (this.#isStopped) return;
    this.#retry = this.#parts.clock.setTimeout(() => {
      void this.start().then(() => {
        if (this.#follow && !this.#isStopped) this.#parts.onGap?.();
      });
    }, RESTART_DELAY_MS);
  }
}
