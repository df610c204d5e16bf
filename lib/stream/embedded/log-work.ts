import { AppError, isAppError, type AppErrorType } from '../../errors.ts';
import type { PackedRange } from './log-file.ts';
import type { LogCommit, NewTopic, OffsetRange, ReadBounds, TopicRow } from './log-store.ts';

/* What goes between the event loop and the thread of the log's file. */

export interface LogThreadData {
  file: string;
  /** Of a new file. */
  newClusterId: string;
  /** Of the file that was open before: it must be the same, with what was in it. */
  knownClusterId?: string;
  maxFileBytes?: number;
}

export interface LogOpened {
  clusterId: string;
  topics: TopicRow[];
}

/** Each kind of work: what is asked, and what is answered. */
export interface LogWorks {
  insertTopics: { asked: { topics: readonly NewTopic[] }; answered: TopicRow[] };
  commit: { asked: LogCommit; answered: undefined };
  range: { asked: { range: OffsetRange; bounds: ReadBounds }; answered: PackedRange };
  trim: { asked: { partitionId: number; beforeOffset: number }; answered: undefined };
  close: { asked: object; answered: undefined };
}

export type LogTask = {
  [K in keyof LogWorks]: { id: number; kind: K; asked: LogWorks[K]['asked'] };
}[keyof LogWorks];

/** An error as it can be sent. */
export interface SentFailure {
  message: string;
  type?: AppErrorType;
  data?: Record<string, unknown>;
  /** SQLite's extended result code. */
  errcode?: number;
}

export type LogAnswer = { id: number; result: unknown } | { id: number; failure: SentFailure };

/** What the thread says by itself, once: LogOpened, or why the file could not be opened. */
export const OPENED_ID = 0;

export function toSent(error: unknown): SentFailure {
  const { message = String(error), errcode } = error as { message?: string; errcode?: unknown };
  return {
    message,
    ...(isAppError(error) ? { type: error.type, data: error.data } : {}),
    ...(typeof errcode === 'number' ? { errcode } : {}),
  };
}

export function fromSent({ message, type, data, errcode }: SentFailure): Error {
  if (type !== undefined) return new AppError(type, { message, ...(data ? { data } : {}) });
  return Object.assign(new Error(message), errcode === undefined ? {} : { errcode });
}
