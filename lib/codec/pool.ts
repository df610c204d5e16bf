import { Piscina } from 'piscina';
import type { Clock } from '../clock.ts';
import { AppError, isAppError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { noMetrics, type Counter, type Metrics } from '../metrics.ts';
import { createInlineCodec } from './inline.ts';
import { Limiter } from './limiter.ts';
import { pack, type Packed } from './packing.ts';
import type { CheckVerdict, Codec, Description, Folded } from './port.ts';
import type { Work, WorkAnswer, WorkResult } from './work.ts';
import { paysForYrs } from './yrs.ts';

export interface CodecPoolOptions {
  threads: number;
  /** Tasks that may wait for a thread; CODEC_OVERLOADED above. */
  maxQueue: number;
  /** Time limit of one task from its beginning; then its thread is killed: CODEC_TIMEOUT. */
  timeoutMs: number;
  /** Work on fewer input bytes is done on the calling thread: a hop costs more than it. */
  inlineBytes: number;
  /** JavaScript heap of one thread. */
  maxHeapMb?: number;
  clock: Clock;
  logger: Logger;
  metrics?: Metrics;
  /** The file whose default export does the work; tests put a hanging one here. */
  workerUrl?: URL;
}

/** An idle thread costs memory only; starting one costs 100 ms. */
const IDLE_THREAD_MS = 60_000;
const DEFAULT_HEAP_MB = 2_048;
/** More updates than this are not folded inline, whatever their size: each costs some microseconds. */
const MAX_INLINE_UPDATES = 500;

/** A codec over worker threads; small work is done inline. */
export function createCodecPool(options: CodecPoolOptions): Codec {
  const runner = new WorkRunner(options);
  const inline = createInlineCodec();
  const isSmall = (inputs: readonly Uint8Array[]) => {
    if (inputs.length > MAX_INLINE_UPDATES) return false;
    let bytes = 0;
    for (const input of inputs) bytes += input.byteLength;
    return bytes <= options.inlineBytes;
  };
  return {
    async fold(snapshot, updates) {
      const inputs = snapshot ? [snapshot, ...updates] : updates;
      if (isSmall(inputs)) {
        try {
          return await inline.fold(snapshot, updates);
        } catch (error) {
          // Too many bad updates to sort out on this thread.
          if (!isAppError(error, 'CODEC_FAILED')) throw error;
        }
      }
      return runner.fold(snapshot, updates);
    },
    merge: async (updates) =>
      isSmall(updates)
        ? inline.merge(updates)
        : ((await runner.run(() => ({ kind: 'merge', inputs: pack(updates) }))) as Uint8Array),
    diff: async (update, stateVector) =>
      isSmall([update])
        ? inline.diff(update, stateVector)
        : ((await runner.run(() => ({ kind: 'diff', inputs: pack([update, stateVector]) }))) as Uint8Array),
    stateVectorOf: async (update) =>
      isSmall([update])
        ? inline.stateVectorOf(update)
        : ((await runner.run(() => ({ kind: 'stateVectorOf', inputs: pack([update]) }))) as Uint8Array),
    check: async (update) =>
      isSmall([update])
        ? inline.check(update)
        : ((await runner.run(() => ({ kind: 'check', inputs: pack([update]) }))) as CheckVerdict),
    // Tools only: never on the thread that serves others.
    describe: async (update) =>
      (await runner.run(() => ({ kind: 'describe', inputs: pack([update]) }))) as Description,
    render: async (update, request) =>
      (await runner.run(() => ({ kind: 'render', request, inputs: pack([update]) }))) as string,
    close: () => runner.close(),
  };
}

/** Brings tasks to threads: bounded, timed, and done again with Yjs when a thread was lost to Yrs. */
class WorkRunner {
  readonly #options: CodecPoolOptions;
  readonly #limiter: Limiter;
  readonly #pool: Piscina;
  readonly #tasks: Counter<'codec_tasks_total'>;
  readonly #threadsLost: Counter<'codec_threads_lost_total'>;
  #closed = false;

  constructor(options: CodecPoolOptions) {
    this.#options = options;
    const { threads, maxQueue, clock, metrics = noMetrics } = options;
    this.#tasks = metrics.counter('codec_tasks_total');
    this.#threadsLost = metrics.counter('codec_threads_lost_total');
    const overloaded = () => new AppError('CODEC_OVERLOADED');
    // The queue is here, not in the pool: so the time limit begins with the work, not with the wait.
    this.#limiter = new Limiter({ concurrency: threads, maxWaiting: maxQueue, clock, overloaded });
    this.#pool = new Piscina({
      filename: (options.workerUrl ?? new URL('./worker.ts', import.meta.url)).href,
      minThreads: 0,
      maxThreads: threads,
      idleTimeout: IDLE_THREAD_MS,
      // Beyond it the thread ends and its task fails, not the process.
      resourceLimits: { maxOldGenerationSizeMb: options.maxHeapMb ?? DEFAULT_HEAP_MB },
    });
    // A thread that dies without work (its start failed): the task that needs one reports it.
    this.#pool.on('error', (error: unknown) => options.logger.warn({ err: error }, 'codec thread failed'));
  }

  async fold(snapshot: Uint8Array | undefined, updates: readonly Uint8Array[]): Promise<Folded> {
    const inputs = () => pack(snapshot ? [snapshot, ...updates] : updates);
    const work = { kind: 'fold', hasSnapshot: snapshot !== undefined } as const;
    if (paysForYrs(snapshot, updates)) {
      try {
        return (await this.run(() => ({ ...work, engine: 'yrs', inputs: inputs() }))) as Folded;
      } catch (error) {
        if (!isAppError(error, 'CODEC_FAILED')) throw error;
        this.#options.logger.warn(
          { bytes: snapshot?.byteLength },
          'codec thread lost to Yrs, folding with Yjs',
        );
      }
    }
    return (await this.run(() => ({ ...work, engine: 'yjs', inputs: inputs() }))) as Folded;
  }

  /** The inputs are copied when it is their turn: what waits costs no memory of its own. */
  async run(prepare: () => Work & { inputs: Packed }): Promise<WorkResult> {
    if (this.#closed) throw new AppError('SERVICE_UNAVAILABLE', { message: 'The codec is closed.' });
    const answer = await this.#limiter.run(() => this.#onThread(prepare()));
    if (!answer.ok) throw new AppError(answer.type, { data: answer.data });
    return answer.result;
  }

  async #onThread(work: Work): Promise<WorkAnswer> {
    const kill = new AbortController();
    let timedOut = false;
    const timer = this.#options.clock.setTimeout(() => {
      timedOut = true;
      kill.abort();
    }, this.#options.timeoutMs);
    try {
      const answer = (await this.#pool.run(work, {
        transferList: [work.inputs.buffer],
        signal: kill.signal,
      })) as WorkAnswer;
      this.#tasks.inc({ outcome: answer.ok ? 'ok' : 'failed' });
      return answer;
    } catch (cause) {
      this.#tasks.inc({ outcome: timedOut ? 'timeout' : 'failed' });
      if (!this.#closed) this.#threadsLost.inc();
      if (timedOut) throw new AppError('CODEC_TIMEOUT', { data: { kind: work.kind }, cause });
      if (this.#closed) throw new AppError('SERVICE_UNAVAILABLE', { message: 'The codec is closed.', cause });
      // The thread is gone, or the work threw what is no AppError: its WASM instance cannot be trusted.
      throw new AppError('CODEC_FAILED', { data: { kind: work.kind }, cause });
    } finally {
      timer.cancel();
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#limiter.refuseAll(new AppError('SERVICE_UNAVAILABLE', { message: 'The codec is closed.' }));
    await this.#pool.destroy();
  }
}
