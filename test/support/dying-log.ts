import { systemClock, type Clock } from '../../lib/clock.ts';
import { LogThread } from '../../lib/stream/embedded/log-thread.ts';
import type { LogThreadData } from '../../lib/stream/embedded/log-work.ts';
import type { DyingLogData, LogDeath } from './dying-log-worker.ts';

const WORKER_URL = new URL('./dying-log-worker.ts', import.meta.url);

/**
 * Opens the real file in a thread of its own, for `openFile`: the first one dies the first death, and so on; after the
 * last one it lives. `opened` counts the attempts, `settled` those that have ended; while `hold` has been called, and not what it returned, they wait.
 */
export function dyingLog(deaths: (LogDeath | undefined)[], clock: Pick<Clock, 'setTimeout'> = systemClock) {
  const left = [...deaths];
  let gate: Promise<void> = Promise.resolve();
  const log = {
    opened: 0,
    settled: 0,
    hold(): () => void {
      const { promise, resolve } = Promise.withResolvers<void>();
      gate = promise;
      return resolve;
    },
    async openFile(data: LogThreadData): Promise<LogThread> {
      log.opened++;
      await gate;
      const dying: DyingLogData = { ...data, death: left.shift() };
      try {
        return await LogThread.open(dying, { clock, workerUrl: WORKER_URL });
      } finally {
        log.settled++;
      }
    },
  };
  return log;
}

/** Keeps each line as level and phrase. */
export function keptLines() {
  const lines: string[] = [];
  const keep = (level: string) => (_fields: Record<string, unknown>, phrase: string) =>
    void lines.push(`${level} ${phrase}`);
  const logger = {
    debug: () => undefined,
    info: keep('info'),
    warn: keep('warn'),
    error: keep('error'),
    child: () => logger,
  };
  return { lines, logger };
}
