import type { ServiceBroker } from 'moleculer';
import type { Logger } from '../log.ts';

const STOP_LIMIT_MS = 20_000;

export interface LifecycleOptions {
  logger: Logger;
  /** Releases what does not belong to a service, after the services have stopped. */
  close: () => Promise<void>;
}

/**
 * SIGTERM and SIGINT stop the broker and exit 0; a failure or a stop that hangs exits 1. A Kafka
 * transporter whose consumer has failed for good cannot hear any more: the process leaves, so that
 * its supervisor starts it anew.
 */
export function ownProcessLifecycle(broker: ServiceBroker, { logger, close }: LifecycleOptions): void {
  let stopping = false;
  const stop = async (reason: string, exitCode: number) => {
    if (stopping) return;
    stopping = true;
    logger.info({ reason }, 'stopping');
    setTimeout(() => {
      logger.error({ limitMs: STOP_LIMIT_MS }, 'stop took too long');
      process.exit(1);
    }, STOP_LIMIT_MS); // also holds the process: the clock's timers do not, and nothing else may be left to wait for
    try {
      await broker.stop();
      await close();
      process.exit(exitCode);
    } catch (error) {
      logger.error({ err: error }, 'stop failed');
      process.exit(1);
    }
  };
  process.once('SIGTERM', () => void stop('SIGTERM', 0));
  process.once('SIGINT', () => void stop('SIGINT', 0));
  process.on('unhandledRejection', (error) => {
    logger.error({ err: error }, 'unhandled rejection');
    void stop('unhandledRejection', 1);
  });
  broker.localBus.on('$transporter.error', (payload: { type?: string }) => {
    if (payload.type === 'consumerError') void stop('transporter consumer failed', 1);
  });
}
