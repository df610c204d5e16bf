import { Worker } from 'node:worker_threads';
import { AnswerLimit } from '../../answer-limit.ts';
import type { Clock } from '../../clock.ts';
import {
  LogBroken,
  type FileRange,
  type LogCommit,
  type NewTopic,
  type OffsetRange,
  type OpenedLog,
  type ReadBounds,
  type TopicRow,
} from './log-store.ts';
import {
  fromSent,
  OPENED_ID,
  type LogAnswer,
  type LogOpened,
  type LogTask,
  type LogThreadData,
  type LogWorks,
} from './log-work.ts';
import { buffersOf, unpackDelivered } from './packed-records.ts';

/**
 * From one answer of the thread to the next while something is asked: beyond it the thread is ended. The largest commit
 * on a slow disk takes seconds; a disk that hangs for longer is told by the time limits of appends.
 */
export const LOG_ANSWER_LIMIT_MS = 120_000;

export interface LogThreadOptions {
  clock: Pick<Clock, 'setTimeout'>;
  answerLimitMs?: number;
  workerUrl?: URL;
}

interface Asked {
  resolve: (result: never) => void;
  reject: (error: Error) => void;
}

const WORKER_URL = new URL('./log-worker.ts', import.meta.url);

/** The file of the log in a worker thread, until the thread ends. */
export class LogThread implements OpenedLog {
  readonly lost: Promise<LogBroken>;
  readonly #worker: Worker;
  readonly #asked = new Map<number, Asked>();
  readonly #opening: Promise<LogOpened>;
  readonly #limit: AnswerLimit;
  readonly #tellLost: (broken: LogBroken) => void;
  #opened: LogOpened | undefined;
  #nextId = OPENED_ID + 1;
  #broken: LogBroken | undefined;
  #closing: Promise<void> | undefined;

  private constructor(data: LogThreadData, options: LogThreadOptions) {
    const { clock, answerLimitMs = LOG_ANSWER_LIMIT_MS, workerUrl = WORKER_URL } = options;
    const { promise, resolve } = Promise.withResolvers<LogBroken>();
    this.lost = promise;
    this.#tellLost = resolve;
    this.#worker = new Worker(workerUrl, { workerData: data });
    this.#opening = new Promise((resolve, reject) => this.#asked.set(OPENED_ID, { resolve, reject }));
    this.#limit = new AnswerLimit({ clock, limitMs: answerLimitMs, onOver: () => this.#giveUp() });
    this.#limit.begin();
    this.#worker.on('message', (answer: LogAnswer) => this.#settle(answer));
    // Told to whoever asked; its exit follows.
    this.#worker.on('error', (cause) => this.#lose(cause));
    this.#worker.on('exit', (code) => this.#lose(`exit code ${code}`));
  }

  /** STREAM_LOCKED while another handle, here or in another process, has the file open. */
  static async open(data: LogThreadData, options: LogThreadOptions): Promise<LogThread> {
    const thread = new LogThread(data, options);
    try {
      thread.#opened = await thread.#opening;
      return thread;
    } catch (error) {
      await thread.#worker.terminate();
      throw error;
    }
  }

  get clusterId(): string {
    return this.#opened!.clusterId;
  }

  get topics(): readonly TopicRow[] {
    return this.#opened!.topics;
  }

  get broken(): LogBroken | undefined {
    return this.#broken;
  }

  insertTopics(topics: readonly NewTopic[]): Promise<TopicRow[]> {
    return this.#ask('insertTopics', { topics });
  }

  commit(commit: LogCommit): Promise<void> {
    return this.#ask('commit', commit, buffersOf(commit.records));
  }

  async range(range: OffsetRange, bounds: ReadBounds): Promise<FileRange> {
    const { records, complete } = await this.#ask('range', { range, bounds });
    return { records: unpackDelivered(records), complete };
  }

  trim(partitionId: number, beforeOffset: number): Promise<void> {
    return this.#ask('trim', { partitionId, beforeOffset });
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    try {
      // A thread that has died holds nothing any more.
      if (!this.#broken) await this.#ask('close', {});
    } finally {
      this.#broken ??= new LogBroken('The log is closed.');
      await this.#worker.terminate();
    }
  }

  #ask<K extends keyof LogWorks>(
    kind: K,
    asked: LogWorks[K]['asked'],
    transfer: ArrayBuffer[] = [],
  ): Promise<LogWorks[K]['answered']> {
    if (this.#broken) return Promise.reject(this.#broken);
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#asked.set(id, { resolve, reject });
      if (this.#asked.size === 1) {
        // Only a thread that is asked something keeps the process running.
        this.#worker.ref();
        this.#limit.begin();
      }
      this.#worker.postMessage({ id, kind, asked } as LogTask, transfer);
    });
  }

  #settle(answer: LogAnswer): void {
    const asked = this.#asked.get(answer.id);
    this.#asked.delete(answer.id);
    if (this.#asked.size > 0) this.#limit.begin();
    else {
      this.#limit.end();
      this.#worker.unref();
    }
    if ('failure' in answer) asked?.reject(fromSent(answer.failure));
    else asked?.resolve(answer.result as never);
  }

  #giveUp(): void {
    this.#lose('no answer within the time limit');
    void this.#worker.terminate();
  }

  /** Nothing is settled twice: the first word of its end counts, and what it still answers is not heard. */
  #lose(cause: unknown): void {
    this.#limit.end();
    this.#broken ??= new LogBroken('The thread of the log has ended.', { cause });
    this.#tellLost(this.#broken);
    const asked = [...this.#asked.values()];
    this.#asked.clear();
    for (const { reject } of asked) reject(this.#broken);
  }
}
