import type { Clock } from '../../clock.ts';
import { isAppError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import {
  LogBroken,
  type FileRange,
  type LogCommit,
  type LogStore,
  type NewTopic,
  type OffsetRange,
  type OpenedLog,
  type ReadBounds,
  type TopicRow,
} from './log-store.ts';
import type { LogThreadData } from './log-work.ts';
import { StopSignal } from './pause.ts';

/** How often, and how soon, the file is opened again. A failure is an end of the thread or an opening that failed. */
export interface LogRestarts {
  /** Before the first attempt; doubled with each failure in the window. */
  minDelayMs: number;
  maxDelayMs: number;
  /** So many failures within the window, and it stays down: whatever ends the thread does not pass by itself. */
  maxFailures: number;
  windowMs: number;
}

/** About 21 s of attempts: a lock or a full disk may pass in that time. */
export const LOG_RESTARTS: LogRestarts = {
  minDelayMs: 100,
  maxDelayMs: 5_000,
  maxFailures: 10,
  windowMs: 60_000,
};

export interface LogKeeperParts {
  data: LogThreadData;
  openFile: (data: LogThreadData) => Promise<OpenedLog>;
  clock: Clock;
  logger: Logger;
  restarts?: LogRestarts;
}

/** Looks at a file that was opened again, before anybody else; what is to be done in the step in which it counts. */
export type TakeOver = (file: OpenedLog) => Promise<() => void>;

/**
 * The file of the log as long as the process lives: one that is lost is opened again. What it was asked is rejected with
 * LogBroken, once, and so is what is asked while it is away.
 */
export class LogKeeper implements LogStore {
  /** To be set before anything is asked. */
  takeOver: TakeOver = async () => () => undefined;
  readonly #parts: LogKeeperParts;
  readonly #stop = new StopSignal();
  #file: OpenedLog;
  #down: LogBroken | undefined;
  #recovering: Promise<void> = Promise.resolve();
  /** When the failures within the window were. */
  #failures: number[] = [];
  #closing: Promise<void> | undefined;

  private constructor(file: OpenedLog, parts: LogKeeperParts) {
    this.#parts = parts;
    this.#file = file;
    this.#watch(file);
  }

  /** Rejects like `openFile`: a file that cannot be opened at the start is not tried again. */
  static async open(parts: LogKeeperParts): Promise<LogKeeper> {
    return new LogKeeper(await parts.openFile(parts.data), parts);
  }

  get clusterId(): string {
    return this.#file.clusterId;
  }

  get topics(): readonly TopicRow[] {
    return this.#file.topics;
  }

  get broken(): LogBroken | undefined {
    return this.#down ?? this.#file.broken;
  }

  insertTopics(topics: readonly NewTopic[]): Promise<TopicRow[]> {
    return this.#ask((file) => file.insertTopics(topics));
  }

  commit(commit: LogCommit): Promise<void> {
    return this.#ask((file) => file.commit(commit));
  }

  range(range: OffsetRange, bounds: ReadBounds): Promise<FileRange> {
    return this.#ask((file) => file.range(range, bounds));
  }

  trim(partitionId: number, beforeOffset: number): Promise<void> {
    return this.#ask((file) => file.trim(partitionId, beforeOffset));
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    this.#stop.stop();
    await this.#recovering;
    await this.#file.close();
  }

  #ask<T>(work: (file: LogStore) => Promise<T>): Promise<T> {
    return this.#down ? Promise.reject(this.#down) : work(this.#file);
  }

  #watch(file: OpenedLog): void {
    void file.lost.then((broken) => {
      if (!this.#stop.stopped) this.#recovering = this.#recover(broken);
    });
  }

  /** Never rejects. */
  async #recover(broken: LogBroken): Promise<void> {
    const { clock, logger } = this.#parts;
    const lostAtMs = clock.now();
    logger.error({ err: broken }, 'the thread of the embedded log has ended: it is started again');
    let failure: unknown = broken;
    // Two threads must never have the file. One that hangs in the kernel ends when the kernel lets it.
    await this.#file.close();
    for (;;) {
      const delayMs = this.#delayAfter(failure);
      if (delayMs === undefined) return this.#stayDown(failure);
      await this.#stop.pause(clock, delayMs);
      if (this.#stop.stopped) return;
      try {
        await this.#reopen();
        const fields = { lastedMs: Math.round(clock.now() - lostAtMs), failures: this.#failures.length };
        logger.warn(fields, 'the embedded log is back');
        return;
      } catch (error) {
        failure = error;
        logger.error({ err: error }, 'the embedded log cannot be opened again');
      }
    }
  }

  async #reopen(): Promise<void> {
    const { data, openFile } = this.#parts;
    const file = await openFile({ ...data, knownClusterId: this.#file.clusterId });
    try {
      const apply = await this.takeOver(file);
      if (file.broken) throw file.broken;
      this.#file = file;
      apply();
    } catch (error) {
      await file.close();
      throw error;
    }
    this.#watch(file);
  }

  /** Undefined when it is not to be tried again. */
  #delayAfter(failure: unknown): number | undefined {
    const { clock, restarts = LOG_RESTARTS } = this.#parts;
    const now = clock.now();
    this.#failures = [...this.#failures.filter((atMs) => now - atMs < restarts.windowMs), now];
    if (isLasting(failure) || this.#failures.length >= restarts.maxFailures) return undefined;
    return Math.min(restarts.minDelayMs * 2 ** (this.#failures.length - 1), restarts.maxDelayMs);
  }

  #stayDown(cause: unknown): void {
    const { windowMs } = this.#parts.restarts ?? LOG_RESTARTS;
    const message = isLasting(cause)
      ? `The log cannot be used as it is: ${(cause as Error).message}`
      : `The log has failed ${this.#failures.length} times within ${windowMs / 1000} s: ${String(cause)}`;
    this.#down = new LogBroken(message, { cause, needsRestart: true });
    this.#parts.logger.error(
      { err: this.#down, failures: this.#failures.length },
      'the embedded log stays down: the process must be started again',
    );
  }
}

/** The folder is damaged or another one. A lock is not: whoever holds it may go. */
function isLasting(failure: unknown): boolean {
  return isAppError(failure) && !failure.retryable && !isAppError(failure, 'STREAM_LOCKED');
}
