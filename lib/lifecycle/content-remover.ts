import { pause, type Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import { Sweeper } from '../persister/sweeper.ts';
import { documentKey } from '../protocol/ids.ts';
import type { PersistenceAdapter } from '../store/port.ts';

export interface ContentRemoverParts {
  store: Pick<PersistenceAdapter, 'removeDeleted'>;
  clock: Clock;
  logger: Logger;
  /** How often deleted documents are looked for, in ms. */
  sweepMs: number;
  /** Rows that one transaction removes: it must not hold up the batches of the log. */
  maxRows: number;
}

/** Between two transactions others have their turn, also where there is one connection for all. */
const PAUSE_MS = 20;

/**
 * Takes away what deleted documents have left in the store, step by step. Nobody could read it since the deletion was
 * stored, so it may take its time; after a crash, or beside other processes, it goes on where it stood.
 */
export class ContentRemover {
  readonly #parts: ContentRemoverParts;
  readonly #sweeper: Sweeper;
  #isStopped = false;

  constructor(parts: ContentRemoverParts) {
    this.#parts = parts;
    const { clock, sweepMs } = parts;
    this.#sweeper = new Sweeper({ clock, everyMs: sweepMs, sweep: () => this.sweep() });
  }

  start(): void {
    this.#sweeper.start();
  }

  /** Waits for the step that runs. Idempotent. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#sweeper.stop();
  }

  /** Until nothing is left. Never rejects: what fails is tried again by the next sweep. */
  async sweep(): Promise<void> {
    const { store, clock, logger, maxRows } = this.#parts;
    try {
      while (!this.#isStopped) {
        const step = await store.removeDeleted(maxRows);
        if (!step) return;
        const { document, generation, removed } = step;
        if (removed.completedAtMs !== undefined)
          logger.info(
            { document: documentKey(document), generation },
            'content of a deleted document removed',
          );
        await pause(clock, PAUSE_MS);
      }
    } catch (error) {
      logger.warn({ err: error }, 'removing deleted content failed: later again');
    }
  }
}
