import { Worker } from 'node:worker_threads';
import {
  LogBroken,
  type FileRange,
  type LogCommit,
  type LogStore,
  type NewTopic,
  type OffsetRange,
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

interface Asked {
  resolve: (result: never) => void;
  reject: (error: Error) => void;
}

const WORKER_URL = new URL('./log-worker.ts', import.meta.url);

/** The file of the log in a worker thread. */
export class LogThread implements LogStore {
  readonly #worker: Worker;
  readonly #asked = new Map<number, Asked>();
  readonly #opening: Promise<LogOpened>;
  #opened: LogOpened | undefined;
  #nextId = OPENED_ID + 1;
  #broken: Error | undefined;
  #closing: Promise<void> | undefined;

  private constructor(data: LogThreadData, workerUrl: URL) {
    this.#worker = new Worker(workerUrl, { workerData: data });
    this.#opening = new Promise((resolve, reject) => this.#asked.set(OPENED_ID, { resolve, reject }));
    this.#worker.on('message', (answer: LogAnswer) => this.#settle(answer));
    // Told to whoever asked; its exit follows.
    this.#worker.on('error', (cause) => this.#lost(cause));
    this.#worker.on('exit', () => this.#lost(undefined));
  }

  /** STREAM_LOCKED while another handle, here or in another process, has the file open. */
  static async open(data: LogThreadData, workerUrl = WORKER_URL): Promise<LogThread> {
    const thread = new LogThread(data, workerUrl);
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
      // Only a thread that is asked something keeps the process running.
      if (this.#asked.size === 1) this.#worker.ref();
      this.#worker.postMessage({ id, kind, asked } as LogTask, transfer);
    });
  }

  #settle(answer: LogAnswer): void {
    const asked = this.#asked.get(answer.id);
    this.#asked.delete(answer.id);
    if (this.#asked.size === 0) this.#worker.unref();
    if ('failure' in answer) asked?.reject(fromSent(answer.failure));
    else asked?.resolve(answer.result as never);
  }

  #lost(cause: unknown): void {
    this.#broken ??= new LogBroken('The thread of the log has ended.', { cause });
    const asked = [...this.#asked.values()];
    this.#asked.clear();
    for (const { reject } of asked) reject(this.#broken);
  }
}
