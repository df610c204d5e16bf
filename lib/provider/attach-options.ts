import type { Awareness } from 'y-protocols/awareness';
import type { Position } from '../protocol/index.ts';
import type { DocumentAdapter } from './document-adapter.ts';

export interface AttachOptions {
  awareness?: Awareness;
  /** Where a kept copy stood in the log: says which generation its content is of. */
  position?: Position;
  /** Makes the new document when this one is replaced or trapped. */
  recreate?: () => DocumentAdapter;
}

/** Why a document takes no part any more, although it has not been removed. */
export type HaltReason = 'replaced' | 'deleted' | 'trapped' | 'unreadable' | 'refused';
