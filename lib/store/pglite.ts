import { mkdir } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import { PgliteStream } from './pglite-stream.ts';
import { PgliteThread } from './pglite-thread.ts';

/** A PostgreSQL inside this process, for embedded mode and tests, reached by the ordinary driver. */
export interface PgliteHost {
  /** Connects the driver; its pool must have size 1. */
  connect(): Duplex;
  close(): Promise<void>;
}

/**
 * Opens the database in `dataDir` (made when missing; in memory when left out), in a thread of its own. It has one
 * session: a second connection would have its statements mixed into the transaction of the first.
 */
export async function startPglite(dataDir?: string): Promise<PgliteHost> {
  if (dataDir !== undefined) await mkdir(dataDir, { recursive: true });
  const thread = await PgliteThread.open(dataDir);
  return {
    connect: () => new PgliteStream(thread),
    close: () => thread.close(),
  };
}
