import { exactBytes } from '../protocol/bytes.ts';
import { Piscina } from 'piscina';
import type { Logger } from '../log.ts';
import { isDecodable, type CheckResult, type UpdateChecker } from './update-check.ts';

export interface UpdateCheckOptions {
  logger: Logger;
  /** Larger ones go to the worker thread. */
  inlineBytes: number;
  /** Then the thread is killed and the update refused. */
  timeoutMs?: number;
  maxHeapMb?: number;
  maxQueue?: number;
}

/**
 * Checks updates at the door: small ones inline (2.5 µs), larger ones in one worker thread of this process, which
 * is killed when it takes too long or too much memory; the update that did it is refused.
 */
export function createUpdateChecker(options: UpdateCheckOptions): UpdateChecker {
  const { logger, inlineBytes, timeoutMs = 5_000, maxHeapMb = 512, maxQueue = 1_000 } = options;
  let pool: Piscina<Uint8Array, boolean> | undefined;
  const open = () =>
    new Piscina<Uint8Array, boolean>({
      filename: new URL('./update-check-worker.ts', import.meta.url).href,
      minThreads: 0,
      maxThreads: 1,
      concurrentTasksPerWorker: 1,
      idleTimeout: 30_000,
      maxQueue,
      resourceLimits: { maxOldGenerationSizeMb: maxHeapMb },
    });

  async function checkInThread(update: Uint8Array): Promise<CheckResult> {
    pool ??= open();
    if (pool.queueSize >= maxQueue) return 'busy';
    try {
      // A copy of its own: a view would take its whole buffer along.
      const isSound = await pool.run(exactBytes(update), { signal: AbortSignal.timeout(timeoutMs) });
      return isSound ? 'sound' : 'bad';
    } catch (error) {
      logger.warn({ err: error, bytes: update.byteLength }, 'update check broken off');
      return 'bad';
    }
  }

  return {
    check: (update) =>
      update.byteLength <= inlineBytes ? (isDecodable(update) ? 'sound' : 'bad') : checkInThread(update),
    close: async () => {
      await pool?.destroy();
      pool = undefined;
    },
  };
}
