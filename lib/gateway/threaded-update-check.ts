import { exactBytes } from '../protocol/bytes.ts';
import { Piscina } from 'piscina';
import type { Logger } from '../log.ts';
import { Slots } from './slots.ts';
import { isSound, type CheckResult, type UpdateChecker } from './update-check.ts';

export interface UpdateCheckOptions {
  logger: Logger;
  /** Larger ones go to the worker thread. */
  inlineBytes: number;
  /** Then the thread is killed; the second time the update is refused. */
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
  const { logger, inlineBytes, timeoutMs = 5_000, maxHeapMb = 512, maxQueue = 1_000 } = options;
  let pool: Piscina<Uint8Array, boolean> | undefined;
  const open = () =>
    new Piscina<Uint8Array, boolean>({
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

  /** Undefined when it was broken off. */
  async function tryInThread(update: Uint8Array): Promise<boolean | undefined> {
    pool ??= open();
    try {
      // A copy of its own: a view would take its whole buffer along.
      return await pool.run(exactBytes(update), { signal: AbortSignal.timeout(timeoutMs) });
    } catch (error) {
      logger.warn({ err: error, bytes: update.byteLength }, 'update check broken off');
      return undefined;
    }
  }

  async function checkInThread(update: Uint8Array): Promise<CheckResult> {
    const release = await slots.take();
    if (!release) return 'busy';
    try {
      // Once says nothing about the update: the process may have been suspended, or short of memory for a thread.
      for (let attempt = 1; attempt <= ATTEMPTS && !isClosed; attempt++) {
        const isSound = await tryInThread(update);
        if (isSound !== undefined) return isSound ? 'sound' : 'bad';
      }
      return isClosed ? 'busy' : 'bad';
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
