import type { AppErrorType } from '../errors.ts';
import type { Packed } from './packing.ts';
import type { CheckVerdict, Description, Folded, RenderRequest } from './port.ts';

/** One task for a worker thread; `inputs` are the byte strings it works on, in the order of the codec's arguments. */
export type Work = { inputs: Packed } & (
  | { kind: 'fold'; hasSnapshot: boolean; engine: 'yjs' | 'yrs' }
  | { kind: 'merge' | 'diff' | 'stateVectorOf' | 'check' | 'describe' }
  | { kind: 'render'; request: RenderRequest }
);

export type WorkResult = Folded | Uint8Array | CheckVerdict | Description | string;

/** An error's class does not survive the way between threads: it travels as a value. */
export type WorkAnswer =
  { ok: true; result: WorkResult } | { ok: false; type: AppErrorType; data: Record<string, unknown> };
