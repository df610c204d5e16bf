import { AppError, isAppError } from '../errors.ts';
import type { Database } from '../store/database.ts';

const UNIQUE_VIOLATION = '23505';
const FOREIGN_KEY_VIOLATION = '23503';

/**
 * Work that met another's row under its own id is done once more, when it sees that row: the same request twice at
 * once is one. What names somebody or something that has just gone is NOT_FOUND.
 */
export function withRetriedConflicts(database: Pick<Database, 'entities'>): Pick<Database, 'entities'> {
  const explain = (error: unknown): never => {
    if (isConflict(error, FOREIGN_KEY_VIOLATION)) throw new AppError('NOT_FOUND', { cause: error });
    throw error;
  };
  return {
    entities: (work) =>
      database
        .entities(work)
        .catch((error: unknown) => {
          if (isConflict(error, UNIQUE_VIOLATION)) return database.entities(work);
          throw error;
        })
        .catch(explain),
  };
}

function isConflict(error: unknown, sqlState: string): boolean {
  return isAppError(error, 'STORE_BAD_DATA') && error.data.sqlState === sqlState;
}
