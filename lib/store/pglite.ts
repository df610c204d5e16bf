import { PGlite } from '@electric-sql/pglite';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';
import { mkdir } from 'node:fs/promises';
import { AppError } from '../errors.ts';

/** A PostgreSQL inside this process, for embedded mode and tests, reached over a loopback port. */
export interface PgliteHost {
  /** For the ordinary driver, with a pool of one. */
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Opens the database in `dataDir` (made when missing; in memory when left out). It has one session: a second
 * connection would have its statements mixed into the transaction of the first, so the pool must have size 1.
 */
export async function startPglite(dataDir?: string): Promise<PgliteHost> {
  if (dataDir !== undefined) await mkdir(dataDir, { recursive: true });
  let db: PGlite;
  try {
    db = await PGlite.create(dataDir ?? 'memory://');
  } catch (cause) {
    throw new AppError('STORE_UNAVAILABLE', { message: 'The embedded database cannot be opened.', cause });
  }
  const server = new PGLiteSocketServer({ db, host: '127.0.0.1', port: 0, maxConnections: 1 });
  await server.start();
  return {
    url: `postgresql://postgres@${server.getServerConn()}/postgres`,
    async close() {
      await server.stop();
      await db.close();
    },
  };
}
