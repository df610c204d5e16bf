import { Piscina } from 'piscina';
import type { Clock } from '../clock.ts';
import { AppError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Counter } from '../metrics.ts';
import { Limiter } from './limiter.ts';
import type { Work, WorkAnswer } from './work.ts';

export interface ThreadLaneOptions {
  threads: number;
  /** Tasks that may wait for a thread; CODEC_OVERLOADED above. */
  maxQueue: number;
  /** How long a thread without work stays. */
  idleThreadMs: number;
  /** JavaScript heap of one thread. */
  maxHeapMb?: number;
  clock: Clock;
  logger: Logger;
  tasks: Counter<'codec_tasks_total'>;
  threadsLost: Counter<'codec_threads_lost_total'>;
  workerUrl?: URL;
}

const DEFAULT_HEAP_MB = 2_048;

/** Threads and the queue before them: bounded and timed. */
export class ThreadLane {
  readonly #options: ThreadLaneOptions;
  readonly #limiter: Limiter;
  readonly #pool: Piscina;
  #closed = false;

  constructor(options: ThreadLaneOptions) {
    this.#options = options;
    const { threads, maxQueue, clock } = options;
    const overloaded = () => new AppError('CODEC_OVERLOADED');
    // The queue is here, not in the pool: so the time limit begins with the work, not with the wait.
    this.#limiter = new Limiter({ concurrency: threads, maxWaiting: maxQueue, clock, overloaded });
    this.#pool = new Piscina({
      filename: (options.workerUrl ?? new URL('./worker.ts', import.meta.url)).href,
      minThreads: 0,
      maxThreads: threads,
      idleTimeout: options.idleThreadMs,
      // Beyond it the thread ends and its task fails, not the process.
      resourceLimits: { maxOldGenerationSizeMb: options.maxHeapMb ?? DEFAULT_HEAP_MB },
    });
    // A thread that dies without work (its start failed): the task that needs one reports it.
    this.#pool.on('error', (error: unknown) => options.logger.warn({ err: error }, 'codec thread failed'));
  }

  /** CODEC_TIMEOUT after the limit, CODEC_FAILED when the thread was lost. `prepare` is called when it is its turn. */
  run(prepare: () => Promise<Work>, timeoutMs: number): Promise<WorkAnswer> {
    return this.#limiter.run(async () => this.#onThread(await prepare(), timeoutMs));
  }

  async #onThread(work: Work, timeoutMs: number): Promise<WorkAnswer> {
    const { clock, tasks, threadsLost } = this.#options;
    // Closed while its inputs were copied: a pool that was destroyed would still start a thread for it.
    if (this.#closed) throw new AppError('SERVICE_UNAVAILABLE', { message: 'The codec is closed.' });
    const kill = new AbortController();
    let timedOut = false;
    const timer = clock.setTimeout(() => {
      timedOut = true;
      kill.abort();
    }, timeoutMs);
    try {
      const answer = (await this.#pool.run(work, {
        transferList: work.inputs.buffers,
        signal: kill.signal,
      })) as WorkAnswer;
      tasks.inc({ outcome: answer.ok ? 'ok' : 'failed' });
      return answer;
    } catch (cause) {
      tasks.inc({ outcome: timedOut ? 'timeout' : 'failed' });
      if (!this.#closed) threadsLost.inc();
      if (timedOut) throw new AppError('CODEC_TIMEOUT', { data: { kind: work.kind }, cause });
      if (this.#closed) throw new AppError('SERVICE_UNAVAILABLE', { message: 'The codec is closed.', cause });
      // The thread is gone, or the work threw what is no AppError: its WASM instance cannot be trusted.
      throw new AppError('CODEC_FAILED', { data: { kind: work.kind }, cause });
    } finally {
      timer.cancel();
    }
  }

  /** Rejects what waits and ends the threads. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#limiter.refuseAll(new AppError('SERVICE_UNAVAILABLE', { message: 'The codec is closed.' }));
    await this.#pool.destroy();
  }
}
