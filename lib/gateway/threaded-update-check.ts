import { Piscina } from 'piscina';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import { exactBytes } from '../protocol/bytes.ts';
import { Slots } from './slots.ts';
import { isSound, type CheckResult, type UpdateChecker } from './update-check.ts';
import { WorkWatch } from './work-watch.ts';

/** What a thread is asked. */
export interface CheckWork {
  update: Uint8Array;
  /** Becomes 1 when the work begins. */
  begun: Int32Array;
}

export interface UpdateCheckOptions {
  clock: Clock;
  logger: Logger;
  /** Larger ones go to the worker thread. */
  inlineBytes: number;
  /** From the beginning of the work; then the thread is killed; the second time the update is refused. */
  timeoutMs?: number;
  maxHeapMb?: number;
  /** Updates that may wait for the thread; above, the answer is `busy`. */
  maxQueue?: number;
  /** The file whose default export does the work; tests put a slow one here. */
  workerUrl?: URL;
}

const ATTEMPTS = 2;

/**
 * Checks updates at the door: small ones inline (2.5 µs), larger ones in one worker thread of this process, which
 * is killed when it takes too long or too much memory; the update that did it twice is refused.
 */
export function createUpdateChecker(options: UpdateCheckOptions): UpdateChecker {
  const { clock, logger, inlineBytes, timeoutMs = 5_000, maxHeapMb = 512, maxQueue = 1_000 } = options;
  let pool: Piscina<CheckWork, boolean> | undefined;
  const open = () =>
    new Piscina<CheckWork, boolean>({
      filename: (options.workerUrl ?? new URL('./update-check-worker.ts', import.meta.url)).href,
      minThreads: 0,
      maxThreads: 1,
      concurrentTasksPerWorker: 1,
      idleTimeout: 30_000,
      resourceLimits: { maxOldGenerationSizeMb: maxHeapMb },
    });

  // The queue is here, not in the pool: so the time limit begins with the work, not with the wait.
  const slots = new Slots(1, maxQueue);
  let isClosed = false;

  /** `broken`: by what the work does, or by its time limit. `idle`: it never began, which says nothing about the update. */
  async function tryInThread(update: Uint8Array): Promise<boolean | 'broken' | 'idle'> {
    pool ??= open();
    const watch = new WorkWatch(clock, timeoutMs);
    try {
      // A copy of its own: a view would take its whole buffer along.
      const work = { update: exactBytes(update), begun: watch.begun };
      return await pool.run(work, { signal: watch.signal });
    } catch (error) {
      logger.warn({ err: error, bytes: update.byteLength }, 'update check broken off');
      return watch.hasBegun ? 'broken' : 'idle';
    } finally {
      watch.end();
    }
  }

  async function checkInThread(update: Uint8Array): Promise<CheckResult> {
    const release = await slots.take();
    if (!release) return 'busy';
    let result: Awaited<ReturnType<typeof tryInThread>> = 'idle';
    try {
      // Once says nothing about the update: the process may have been suspended, or short of memory for a thread.
      for (let attempt = 1; attempt <= ATTEMPTS && !isClosed; attempt++) {
        result = await tryInThread(update);
        if (typeof result === 'boolean') return result ? 'sound' : 'bad';
      }
      return isClosed || result === 'idle' ? 'busy' : 'bad';
    } finally {
      release();
    }
  }

  return {
    check: (update) =>
      update.byteLength <= inlineBytes ? (isSound(update) ? 'sound' : 'bad') : checkInThread(update),
    close: async () => {
      isClosed = true;
      await pool?.destroy();
      pool = undefined;
    },
  };
}
