import { AppError, isAppError, type AppErrorType } from '../errors.ts';
import type { Position } from '../protocol/position.ts';
import type { VersionRanges } from '../protocol/ranges.ts';
import type { BlobReference, BlobTransfer } from '../transfer/port.ts';
import type { SyncAnswer, SyncRequest, SyncSource } from './port.ts';

export const JOIN_ACTION = 'fastsync.documents.join';

/** A join's answer between processes: the update inline, or where to fetch it. */
export interface RemoteSyncAnswer {
  position: Position;
  deleted?: true;
  kind: 'full' | 'delta';
  stateVector: Uint8Array;
  appended: VersionRanges;
  update?: Uint8Array;
  blob?: BlobReference;
}

export interface RemoteSyncOptions {
  /** Calls an action of another service; the time limit is the caller's. */
  call: (action: string, params: Record<string, unknown>) => Promise<unknown>;
  blobs: Pick<BlobTransfer, 'fetch'>;
  /** Time limit for fetching a large state. */
  timeoutMs: number;
}

/** The gateway's side of fastsync: the same interface over calls. Unreachable services are SERVICE_UNAVAILABLE. */
export function createRemoteSyncSource({ call, blobs, timeoutMs }: RemoteSyncOptions): SyncSource {
  const ask = async (request: SyncRequest): Promise<SyncAnswer> => {
    const answer = (await call(JOIN_ACTION, withoutAbsent(request))) as RemoteSyncAnswer;
    const { position, deleted, kind, stateVector, appended } = answer;
    const update = answer.blob ? await blobs.fetch(answer.blob, timeoutMs) : answer.update;
    if (!update) throw new AppError('SERVICE_UNAVAILABLE', { message: 'The answer carries no state.' });
    return { position, ...(deleted ? { deleted } : {}), kind, stateVector, appended, update };
  };
  return {
    async join(request) {
      try {
        return await ask(request).catch((error: unknown) => {
          // The state was not fetched in time, or by another attempt: it is asked for again, once.
          if (isAppError(error, 'SYNC_TICKET_UNKNOWN')) return ask(request);
          throw error;
        });
      } catch (error) {
        throw withClass(error);
      }
    },
  };
}

/** Strict params refuse keys whose value is undefined after some serializers. */
function withoutAbsent(request: SyncRequest): Record<string, unknown> {
  return Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined));
}

/** Errors lose their class between processes; those of the transport itself mean: not reachable now. */
function withClass(error: unknown): AppError {
  if (error instanceof AppError) return error;
  if (isAppError(error)) {
    const { type, message, data } = error as { type: AppErrorType; message: string; data?: unknown };
    return new AppError(type, { message, data: (data ?? {}) as Record<string, unknown>, cause: error });
  }
  const isRefused = (error as { type?: unknown } | null)?.type === 'VALIDATION_ERROR';
  return new AppError(isRefused ? 'BAD_INPUT' : 'SERVICE_UNAVAILABLE', { cause: error });
}
