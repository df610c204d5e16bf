import type { DocumentId } from '../protocol/ids.ts';
import type { Position } from '../protocol/position.ts';

export interface OperationRequest {
  document: DocumentId;
  /** Names the operation: repeated with the same key it is done once. */
  key: string;
  userId?: string;
  /**
   * The generation for which this was decided: with another one GENERATION_CONFLICT. Without it a repetition that a
   * frozen process carries out late would do what the first one found not needed: `unchanged` leaves no trace in the
   * log by which the key could be known again. Generations only rise, so one that has passed never comes back.
   */
  expectedGeneration: number;
}

/** What an operation is known again by. */
export type RepeatedRequest = Pick<OperationRequest, 'document' | 'key'>;

export interface ReplaceRequest extends OperationRequest {
  /** The whole new state: a Yjs update (V1). */
  state: Uint8Array;
}

export interface OperationResult {
  /**
   * done: this operation began a generation, now or when it was asked for the first time. unchanged: the document
   * was as wanted. superseded: it did, and another operation has replaced the document since.
   */
  outcome: 'done' | 'unchanged' | 'superseded';
  /** How the document is now. */
  generation: number;
  deleted: boolean;
  /** Where the barrier of the present generation is; absent when there has never been one. */
  position?: Position;
  /** False when running gateways could not be told at once; they learn it from the document's log. */
  announced: boolean;
}
