import type { Position } from '../../../lib/protocol/position.ts';
import type { Effect } from './effect.ts';

/**
 * What a run has seen, as plain data: nothing of the code under test is asked, so that a fault in it cannot
 * hide itself. Everything but `acks` and `states` may be left out; what is not given is not checked.
 */
export interface Evidence {
  /** What clients were told to be in the log. */
  acks: readonly AckedUpdate[];
  /** Of every client that is still there, and of a fresh one (`isFresh`), when all is quiet. */
  states: readonly FinalState[];
  /** All rows of the store, when everything in the log is stored. */
  rows?: readonly StoredRow[];
  /** All records of the log. With them every record must be a row, a barrier or in quarantine. */
  log?: readonly LogRecord[];
  /** Records that were set aside; they are counted, and an acked one among them is not lost. */
  quarantined?: readonly QuarantinedRecord[];
  /** What each client received, and where it said to stand, in order. */
  deliveries?: readonly ClientDeliveries[];
}

/** `(userId, senderId, document, generation, version)`: what stays the same when an update is sent again. */
export interface RetryKey {
  document: string;
  generation: number;
  senderId: string;
  /** 0 = not counted: no repeat is recognised. */
  version: number;
  userId?: string | undefined;
}

export interface AckedUpdate extends RetryKey {
  /** Where it was said to be, or a later place when a state settled it. */
  position: Position;
  /** The Yjs update, or what it does when that was worked out before. */
  update: Uint8Array | Effect;
}

export interface FinalState {
  document: string;
  /** Whose, for the report. */
  source: string;
  generation: number;
  /** As `Y.encodeStateAsUpdate` says it, pending structs included. */
  state: Uint8Array;
  isFresh?: boolean;
}

interface InLog {
  epoch: number;
  partition: number;
  offset: number;
}

export interface StoredRow extends RetryKey, InLog {
  /** Absent in a repeat. */
  payload?: Uint8Array | undefined;
  /** Offset of the row that has the payload. */
  repeatOf?: number | undefined;
}

export type LogRecord = InLog &
  (
    | ({ kind: 'update'; payload: Uint8Array } & RetryKey)
    | { kind: 'barrier'; document: string; generation: number }
    | { kind: 'other' }
  );

export interface QuarantinedRecord extends InLog, Partial<RetryKey> {}

export interface ClientDeliveries {
  client: string;
  document: string;
  events: readonly Delivery[];
}

/**
 * state: a whole state, or a barrier, sets the position. entry: covers what lies behind `previous` up to
 * `position`: an entry, an ack, or the answer to a resume (`previous` = the position it began from).
 * at: the client's own word about where it stands.
 */
export type Delivery =
  | { kind: 'state'; position: Position }
  | ({ kind: 'entry'; position: Position; previous: number } & Partial<RetryKey>)
  | { kind: 'at'; position: Position };

export type ViolationKind =
  | 'acked-update-lost'
  | 'acked-update-not-stored'
  | 'acked-update-not-in-log'
  | 'ack-ahead-of-log'
  | 'no-fresh-state'
  | 'states-differ'
  | 'fold-differs'
  | 'row-doubled'
  | 'payload-doubled'
  | 'payload-missing'
  | 'repeat-names-wrong-row'
  | 'retry-key-with-two-payloads'
  | 'record-not-stored'
  | 'row-not-in-log'
  | 'position-over-a-gap'
  | 'delivered-otherwise-than-logged';

export interface Violation {
  kind: ViolationKind;
  document: string;
  detail: string;
}

export interface Verdict {
  violations: Violation[];
  acked: number;
  /** Acked updates that are missing somewhere. */
  lost: number;
  quarantined: number;
}

export type Report = (violation: Violation) => void;

export function retryKeyOf({ document, generation, senderId, version, userId }: RetryKey): string {
  return `${document} g${generation} ${senderId}#${version} ${userId ?? ''}`;
}

export function placeOf({ epoch, partition, offset }: InLog): string {
  return `${epoch}/${partition}/${offset}`;
}
