import type { ServiceBroker } from 'moleculer';
import { isAppError } from '../errors.ts';
import type { Logger } from '../log.ts';

/** A stop that takes longer than this, and what is planned for it, ends the process. */
export const STOP_LIMIT_MS = 20_000;

export interface LifecycleOptions {
  logger: Logger;
  /** Releases what does not belong to a service, after the services have stopped. */
  close: () => Promise<void>;
  /** Added to the time limit of a stop: what the services do by plan before they end. */
  plannedStopMs?: number;
  stopLimitMs?: number;
}

export interface Lifecycle {
  /** Stops in order and exits 1, so that the supervisor starts the process anew. Only the first reason counts. */
  leave(reason: string): void;
}

/** SIGTERM and SIGINT stop the broker and exit 0; a failure or a stop that hangs exits 1. */
export function ownProcessLifecycle(
  broker: ServiceBroker,
  { logger, close, plannedStopMs = 0, stopLimitMs = STOP_LIMIT_MS }: LifecycleOptions,
): Lifecycle {
  const limitMs = stopLimitMs + plannedStopMs;
  let stopping = false;
  let stopFailure: unknown;
  const stop = async (reason: string, exitCode: number) => {
    if (stopping) return;
    stopping = true;
    logger.info({ reason }, 'stopping');
    setTimeout(() => {
      logger.error({ limitMs }, 'stop took too long');
      process.exit(1);
    }, limitMs); // also holds the process: the clock's timers do not, and nothing else may be left to wait for
    try {
      await broker.stop();
      await close();
      if (stopFailure !== undefined) throw stopFailure;
      process.exit(exitCode);
    } catch (error) {
      logger.error({ err: error }, 'stop failed');
      process.exit(1);
    }
  };
  const leave = (reason: string) => {
    if (!stopping) logger.error({ reason }, 'the process leaves, to be started anew');
    void stop(reason, 1);
  };
  process.once('SIGTERM', () => void stop('SIGTERM', 0));
  process.once('SIGINT', () => void stop('SIGINT', 0));
  process.on('unhandledRejection', (error) => {
    logger.error({ err: error }, 'unhandled rejection');
    void stop('unhandledRejection', 1);
  });
  // A service that fails to stop does not make `broker.stop()` reject.
  broker.localBus.on('$broker.error', ({ error }: { error?: unknown }) => {
    if (stopping) stopFailure ??= error;
  });
  explainFailedStart(broker, { isStopping: () => stopping });
  return { leave };
}

/** A start that fails ends the process with one readable message, not with the runner's stack. */
function explainFailedStart(broker: ServiceBroker, { isStopping }: { isStopping: () => boolean }): void {
  const start = broker.start.bind(broker);
  broker.start = async () => {
    try {
      await start();
    } catch (error) {
      if (isStopping()) return; // asked to stop while starting: whoever asked ends the process
      failStart(error);
    }
  };
}

/** Says on stderr why the process could not start, and exits 1. An error of ours speaks for itself. */
export function failStart(error: unknown): never {
  const text = isAppError(error)
    ? error.message
    : error instanceof Error
      ? (error.stack ?? error.message)
      : String(error);
  process.stderr.write(`\ny-kafka could not start.\n${text}\n`);
  process.exit(1);
}
