import { mkdir } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import { PGlite } from '@electric-sql/pglite';
import { AppError } from '../errors.ts';
import { PgliteStream } from './pglite-stream.ts';

/** A PostgreSQL inside this process, for embedded mode and tests, reached by the ordinary driver. */
export interface PgliteHost {
  /** Connects the driver; its pool must have size 1. */
  connect(): Duplex;
  close(): Promise<void>;
}

/**
 * Opens the database in `dataDir` (made when missing; in memory when left out). It has one session: a second
 * connection would have its statements mixed into the transaction of the first.
 */
export async function startPglite(dataDir?: string): Promise<PgliteHost> {
  if (dataDir !== undefined) await mkdir(dataDir, { recursive: true });
  let db: PGlite;
  try {
    db = await PGlite.create(dataDir ?? 'memory://');
  } catch (cause) {
    throw new AppError('STORE_UNAVAILABLE', { message: 'The embedded database cannot be opened.', cause });
  }
  return {
    connect: () => new PgliteStream(db),
    close: async () => {
      if (!db.closed) await db.close();
    },
  };
}
