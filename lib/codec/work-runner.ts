import { AppError, isAppError } from '../errors.ts';
import { noMetrics } from '../metrics.ts';
import { pack, packGiven, sizeOf, type Packed } from './packing.ts';
import type { CodecPoolOptions } from './pool.ts';
import type { Folded, FoldOptions } from './port.ts';
import { ThreadLane } from './thread-lane.ts';
import type { Work, WorkResult } from './work.ts';
import { paysForYrs } from './yrs.ts';

/** Work on more input bytes goes one at a time, on a thread that ends with it. */
const LARGE_BYTES = 4 * 1024 * 1024;
/** The time limit is for so much input, and as long again for each as much more. */
const TIMED_BYTES = 16 * 1024 * 1024;
/** An idle thread costs memory only; starting one costs 100 ms. */
const IDLE_THREAD_MS = 60_000;

/**
 * Brings tasks to threads, and a fold again to Yjs when a thread was lost to Yrs. Large work has a lane of its own: small
 * documents do not wait behind it, and the memory of one such task at a time is taken and given back.
 */
export class WorkRunner {
  readonly #options: CodecPoolOptions;
  readonly #small: ThreadLane;
  readonly #large: ThreadLane;
  readonly #pause: () => Promise<void>;
  #closed = false;

  constructor(options: CodecPoolOptions) {
    this.#options = options;
    this.#pause = () => new Promise((resolve) => options.clock.setImmediate(resolve));
    const metrics = options.metrics ?? noMetrics;
    const shared = {
      ...options,
      tasks: metrics.counter('codec_tasks_total'),
      threadsLost: metrics.counter('codec_threads_lost_total'),
    };
    this.#small = new ThreadLane({ ...shared, idleThreadMs: IDLE_THREAD_MS });
    this.#large = new ThreadLane({ ...shared, threads: 1, idleThreadMs: 0 });
  }

  async fold(
    snapshot: Uint8Array | undefined,
    updates: readonly Uint8Array[],
    { isSnapshotGiven = false }: FoldOptions = {},
  ): Promise<Folded> {
    const all = snapshot ? [snapshot, ...updates] : updates;
    const work = { kind: 'fold', hasSnapshot: snapshot !== undefined } as const;
    if (paysForYrs(snapshot, updates)) {
      try {
        return (await this.run(all, (inputs) => ({
          ...work,
          engine: 'yrs',
          inputs,
        }))) as Folded;
      } catch (error) {
        if (!isAppError(error, 'CODEC_FAILED')) throw error;
        this.#options.logger.warn(
          { bytes: snapshot?.byteLength },
          'codec thread lost to Yrs, folding with Yjs',
        );
      }
    }
    const pause = this.#pause;
    const packAll = snapshot && isSnapshotGiven ? () => packGiven(snapshot, updates, pause) : undefined;
    return (await this.run(all, (inputs) => ({ ...work, engine: 'yjs', inputs }), packAll)) as Folded;
  }

  /** The inputs are copied when it is their turn: what waits costs no memory of its own. */
  async run(
    inputs: readonly Uint8Array[],
    workOn: (inputs: Packed) => Work,
    packAll = () => pack(inputs, this.#pause),
  ): Promise<WorkResult> {
    if (this.#closed) throw new AppError('SERVICE_UNAVAILABLE', { message: 'The codec is closed.' });
    const bytes = sizeOf(inputs);
    const isLarge = bytes > LARGE_BYTES;
    const lane = isLarge ? this.#large : this.#small;
    const timeoutMs = this.#options.timeoutMs * Math.max(1, Math.ceil(bytes / TIMED_BYTES));
    try {
      const answer = await lane.run(async () => workOn(await packAll()), timeoutMs);
      if (!answer.ok) throw new AppError(answer.type, { data: answer.data });
      return answer.result;
    } finally {
      if (isLarge) this.#options.onLargeWork?.(bytes);
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all([this.#small.close(), this.#large.close()]);
  }
}
