import { mkdir } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import type { Clock } from '../clock.ts';
import { AppError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { PgliteStream } from './pglite-stream.ts';
import { PgliteThread } from './pglite-thread.ts';

/** A PostgreSQL inside this process, for embedded mode and tests, reached by the ordinary driver. */
export interface PgliteHost {
  /** Connects the driver; its pool must have size 1. Opens the database anew when its thread has ended. */
  connect(): Duplex;
  /** False while the database is closed or being opened again; one that works on something for long is alive. */
  isAlive(): boolean;
  close(): Promise<void>;
}

export interface PgliteOptions {
  /** Made when missing; in memory when left out. */
  dataDir?: string;
  /** A thread that has not answered for so long is ended. */
  answerLimitMs: number;
  clock: Clock;
  logger: Logger;
}

/**
 * Opens the database in `dataDir`, in a thread of its own. It has one session: a second connection would have its
 * statements mixed into the transaction of the first. When the thread dies or hangs, the next connection opens the
 * folder again, as after a crash of the process; what was committed is there. A database in memory is not opened
 * again: it would be empty.
 */
export async function startPglite(options: PgliteOptions): Promise<PgliteHost> {
  const { dataDir, logger } = options;
  if (dataDir !== undefined) await mkdir(dataDir, { recursive: true });
  let isClosed = false;
  let current = PgliteThread.open(options);
  let thread = await current;

  const reopen = async () => {
    logger.error({ dataDir }, 'the embedded database has ended: opening it again');
    await thread.ended; // two threads must never have the same folder
    thread = await PgliteThread.open(options);
    return thread;
  };
  const open = (): Promise<PgliteThread> => {
    if (isClosed || (thread.closed && dataDir === undefined))
      return Promise.reject(new AppError('STORE_UNAVAILABLE', { message: 'The database is closed.' }));
    if (thread.closed) {
      current = reopen();
      current.catch((error: unknown) => {
        logger.error({ err: error }, 'the embedded database cannot be opened');
      });
    }
    return current;
  };
  let opening: Promise<PgliteThread> | undefined;
  return {
    isAlive: () => !isClosed && !thread.closed,
    connect: () => new PgliteStream((opening ??= open().finally(() => (opening = undefined)))),
    async close() {
      isClosed = true;
      await opening?.catch(() => undefined); // told to whoever connected
      await thread.close();
    },
  };
}
