import { Worker } from 'node:worker_threads';
import { AnswerLimit } from '../answer-limit.ts';
import type { Clock } from '../clock.ts';
import { AppError } from '../errors.ts';

export type ThreadWork =
  { kind: 'execute'; messages: Uint8Array<ArrayBuffer> } | { kind: 'rollback' } | { kind: 'close' };

export interface ThreadTask {
  id: number;
  work: ThreadWork;
}

export type ThreadAnswer =
  { id: number; output: Uint8Array<ArrayBuffer> | undefined } | { id: number; failure: string };

/** What the thread says by itself, once, when the database is open. */
export const READY_ID = 0;

interface Asked {
  resolve: (output: Uint8Array | undefined) => void;
  reject: (error: Error) => void;
}

export interface PgliteThreadOptions {
  /** The folder of the database; in memory when left out. */
  dataDir?: string;
  /** Time from one answer to the next while something is asked; then the thread is ended. */
  answerLimitMs: number;
  clock: Clock;
}

/**
 * A PGlite in a worker thread: a transaction of it takes some milliseconds of CPU, which on the event loop would be
 * added to the latency of every client.
 */
export class PgliteThread {
  readonly #worker: Worker;
  readonly #asked = new Map<number, Asked>();
  readonly #opened: Promise<unknown>;
  #nextId = READY_ID + 1;
  #isClosed = false;
  #closing: Promise<void> | undefined;
  readonly #limit: AnswerLimit;
  /** Resolves when the thread is gone, for whatever reason. */
  readonly ended: Promise<void>;

  private constructor(worker: Worker, options: PgliteThreadOptions) {
    this.#worker = worker;
    this.#limit = new AnswerLimit({
      clock: options.clock,
      limitMs: options.answerLimitMs,
      onOver: () => {
        this.#lost('no answer within the time limit');
        void this.#worker.terminate();
      },
    });
    this.ended = new Promise((resolve) => worker.once('exit', () => resolve()));
    this.#opened = new Promise((resolve, reject) => this.#asked.set(READY_ID, { resolve, reject }));
    worker.on('message', (answer: ThreadAnswer) => this.#settle(answer));
    // Told to whoever asked; its exit follows.
    worker.on('error', (cause) => this.#lost(cause));
    worker.on('exit', () => this.#lost(undefined));
  }

  /** Opens the database in the folder, or one in memory. STORE_UNAVAILABLE when it cannot be opened. */
  static async open(options: PgliteThreadOptions): Promise<PgliteThread> {
    const { dataDir } = options;
    const worker = new Worker(new URL('./pglite-worker.ts', import.meta.url), {
      workerData: dataDir === undefined ? {} : { dataDir },
    });
    const thread = new PgliteThread(worker, options);
    try {
      await thread.#opened;
      return thread;
    } catch (cause) {
      await worker.terminate();
      throw new AppError('STORE_UNAVAILABLE', { message: 'The embedded database cannot be opened.', cause });
    }
  }

  get closed(): boolean {
    return this.#isClosed || this.#closing !== undefined;
  }

  /** Runs whole messages of PostgreSQL's protocol; resolves with what it answers. */
  async execute(messages: Uint8Array): Promise<Uint8Array> {
    // A copy: the driver's buffers are shared.
    const own = new Uint8Array(messages);
    return (await this.#ask({ kind: 'execute', messages: own }, [own.buffer])) ?? new Uint8Array(0);
  }

  /** Ends a transaction that was left open. */
  async rollback(): Promise<void> {
    await this.#ask({ kind: 'rollback' });
  }

  /** Lets the database end in order, after what was asked before. Idempotent. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    if (this.#isClosed) return;
    try {
      await this.#ask({ kind: 'close' });
    } finally {
      this.#isClosed = true;
      await this.#worker.terminate();
    }
  }

  #ask(work: ThreadWork, transfer: ArrayBuffer[] = []): Promise<Uint8Array | undefined> {
    if (this.#isClosed || (this.#closing && work.kind !== 'close')) return Promise.reject(closedError());
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#asked.set(id, { resolve, reject });
      if (this.#asked.size === 1) this.#limit.begin();
      // Only a thread that is asked something keeps the process running.
      this.#worker.ref();
      this.#worker.postMessage({ id, work } satisfies ThreadTask, transfer);
    });
  }

  #settle(answer: ThreadAnswer): void {
    const asked = this.#asked.get(answer.id);
    this.#asked.delete(answer.id);
    // From each answer anew: many short pieces of work may wait behind one another.
    if (this.#asked.size > 0) this.#limit.begin();
    else {
      this.#limit.end();
      this.#worker.unref();
    }
    if ('failure' in answer)
      asked?.reject(
        new AppError('STORE_UNAVAILABLE', {
          message: 'The embedded database failed.',
          cause: answer.failure,
        }),
      );
    else asked?.resolve(answer.output);
  }

  #lost(cause: unknown): void {
    this.#isClosed = true;
    this.#limit.end();
    const asked = [...this.#asked.values()];
    this.#asked.clear();
    for (const { reject } of asked) reject(closedError(cause));
  }
}

function closedError(cause?: unknown): AppError {
  return new AppError('STORE_UNAVAILABLE', {
    message: 'The database is closed.',
    ...(cause === undefined ? {} : { cause }),
  });
}
