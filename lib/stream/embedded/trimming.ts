import type { Logger } from '../../log.ts';
import type { LogStore } from './log-store.ts';
import { packRecords } from './packed-records.ts';
import type { PartitionLog } from './partition-log.ts';
import { withStreamErrors } from './sqlite-errors.ts';

/** Offsets that are trimmed at a time; between two steps others have their turn. */
const TRIM_STEP = 5000;

export interface TrimRequest {
  log: PartitionLog;
  beforeOffset: number;
  /** Throws when the log has been closed meanwhile. */
  requireOpen: () => void;
}

/** Deletes what lies below the offset, step by step. STREAM_OFFSET_OUT_OF_RANGE beyond the end. */
export async function trimLog(file: Pick<LogStore, 'trim'>, request: TrimRequest): Promise<void> {
  const { log, beforeOffset, requireOpen } = request;
  if (beforeOffset <= log.startOffset) return;
  log.requireInRange(beforeOffset);
  while (log.startOffset < beforeOffset) {
    requireOpen();
    await trimTo(file, log, Math.min(log.startOffset + TRIM_STEP, beforeOffset));
  }
}

/** Whoever asks for what is being deleted is refused from now on: the file would answer with nothing. */
async function trimTo(file: Pick<LogStore, 'trim'>, log: PartitionLog, beforeOffset: number): Promise<void> {
  const { startOffset } = log;
  log.startOffset = beforeOffset;
  try {
    await withStreamErrors(() => file.trim(log.id, beforeOffset));
  } catch (error) {
    if (log.startOffset === beforeOffset) log.startOffset = startOffset;
    throw error;
  }
}

/** After an orderly end the next start goes on without a hole. */
export async function releaseReservations(
  file: Pick<LogStore, 'commit'>,
  logs: Iterable<PartitionLog>,
  logger: Logger,
): Promise<void> {
  const reserving = [...logs].filter((log) => log.reservedOffset > log.nextOffset);
  if (reserving.length === 0) return;
  try {
    const reservations = reserving.map((log) => ({ partitionId: log.id, offset: log.nextOffset }));
    await file.commit({ reservations, records: packRecords([]) });
  } catch (error) {
    // Safe: the reservation stays, which only leaves a hole in the offsets.
    logger.warn({ error: String(error) }, 'reserved offsets not released');
  }
}
