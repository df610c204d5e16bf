import { AppError } from '../../errors.ts';
import { LogBroken } from './log-store.ts';

const SQLITE_BUSY = 5;
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

/** What a failed opening means for the operator. */
export function openFailure(error: unknown, file: string): unknown {
  const code = sqliteCode(error);
  if (code === SQLITE_BUSY) {
    return new AppError('STREAM_LOCKED', {
      message: `Another process uses the log ${file}: stop it first, or choose another DATA_DIR.`,
      data: { file },
      cause: error,
    });
  }
  if (code === SQLITE_NOTADB)
    return new AppError('BAD_CONFIG', { message: `The file ${file} is no log.`, cause: error });
  if (code === SQLITE_CORRUPT)
    return new AppError('BAD_CONFIG', { message: `The log ${file} is damaged.`, cause: error });
  if (code === undefined) return error;
  return new AppError('STREAM_UNAVAILABLE', {
    message: `The log ${file} cannot be opened: ${(error as Error).message}.`,
    cause: error,
  });
}

/** An error of SQLite, or of the thread that runs it, leaves the adapter as STREAM_UNAVAILABLE. */
export async function withStreamErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const isOfFile = sqliteCode(error) !== undefined || error instanceof LogBroken;
    throw isOfFile ? new AppError('STREAM_UNAVAILABLE', { cause: error }) : error;
  }
}

/** The primary result code of an SQLite error, undefined for any other. */
function sqliteCode(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  return typeof code === 'number' ? code & 0xff : undefined;
}
