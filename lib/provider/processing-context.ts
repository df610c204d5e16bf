import { DEFAULT_LIMITS, type DocumentAddress } from '../protocol/index.ts';
import type { ProtocolConnection } from './connection.ts';
import type { ProviderEnvironment } from './environment.ts';
import type { DocumentEvents } from './events.ts';

export interface ProcessingTuning {
  /** Updates of one document that may be on their way at a time; further ones wait and are merged. Default 256. */
  maxUnacked: number;
  /**
   * Bytes of updates of one document that may be on their way at a time; further ones wait and are merged, and the
   * application is told (`backlog`). Nothing is dropped: the document itself holds all of it anyway. Must not
   * exceed the server's limit for a connection. Default 16,777,216.
   */
  maxUnackedBytes: number;
  /** Largest update that is sent, in bytes; must not exceed the server's limit. Default 8,388,608. */
  maxUpdateBytes: number;
  /** Milliseconds without any ack while updates are on their way, after which the document joins again. Default 20,000. */
  ackTimeoutMs: number;
  /** Milliseconds without an answer to a join, or a piece of its state, until it is asked again. Default 30,000. */
  joinTimeoutMs: number;
  /** Milliseconds before the first repetition of what the server could not do yet, doubled each time. Default 200. */
  retryMinMs: number;
  /** Upper bound of that delay in milliseconds. Default 10,000. */
  retryMaxMs: number;
  /** Fresh states of one document that may fail to apply in a row on one connection. Default 3. */
  maxSyncFailures: number;
}

export const DEFAULT_TUNING: ProcessingTuning = Object.freeze({
  maxUnacked: 256,
  maxUnackedBytes: 16 * 1024 * 1024,
  maxUpdateBytes: DEFAULT_LIMITS.maxUpdateBytes,
  ackTimeoutMs: 20_000,
  joinTimeoutMs: 30_000,
  retryMinMs: 200,
  retryMaxMs: 10_000,
  maxSyncFailures: 3,
});

/** What is set in the options, the defaults for the rest. */
export function tuningOf(options: Partial<ProcessingTuning>): ProcessingTuning {
  const keys = Object.keys(DEFAULT_TUNING) as (keyof ProcessingTuning)[];
  const set = keys.filter((key) => options[key] !== undefined).map((key) => [key, options[key]] as const);
  return { ...DEFAULT_TUNING, ...Object.fromEntries(set) };
}

/** What the processing of a document gets from its manager. */
export interface ProcessingContext {
  readonly address: DocumentAddress;
  readonly senderId: string;
  readonly connection: ProtocolConnection;
  readonly environment: ProviderEnvironment;
  readonly tuning: ProcessingTuning;
  /** The origin that events of the document name for changes of the server. */
  readonly origin: unknown;
  /** Where the counting of this document's versions goes on. */
  readonly lastVersion: number;
  readonly emit: <K extends keyof DocumentEvents>(name: K, event: DocumentEvents[K]) => void;
  /** A removed document has nothing left to send: it may be forgotten. */
  readonly onDrained: () => void;
}
