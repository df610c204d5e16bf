import { move, transferableSymbol, valueSymbol } from 'piscina';
import { assertNever, isAppError } from '../errors.ts';
import { lowerThreadPriority } from '../thread-priority.ts';
import { foldWithYjs } from './fold.ts';
import { unpack } from './packing.ts';
import {
  checkUpdate,
  describeUpdate,
  diffUpdate,
  mergeUpdates,
  renderUpdate,
  stateVectorOf,
} from './tasks.ts';
import type { Work, WorkAnswer, WorkResult } from './work.ts';
import { foldWithYrs } from './yrs.ts';

/*
 * Runs in a worker thread. A trap of ywasm (or anything else that is not an AppError) ends the thread,
 * since a trap poisons the whole WASM instance: every later call on any document would fail.
 */
const LOST_THREAD = 70;
/** A fold of megabytes takes what the event loop leaves. */
const CODEC_NICE = 10;

lowerThreadPriority(CODEC_NICE);

function run(work: Work): WorkResult {
  const inputs = unpack(work.inputs);
  const [first, second] = inputs as [Uint8Array, Uint8Array];
  switch (work.kind) {
    case 'fold': {
      const snapshot = work.hasSnapshot ? first : undefined;
      const updates = work.hasSnapshot ? inputs.slice(1) : inputs;
      return (work.engine === 'yrs' && foldWithYrs(snapshot, updates)) || foldWithYjs(snapshot, updates);
    }
    case 'merge':
      return mergeUpdates(inputs);
    case 'diff':
      return diffUpdate(first, second);
    case 'stateVectorOf':
      return stateVectorOf(first);
    case 'check':
      return checkUpdate(first);
    case 'describe':
      return describeUpdate(first);
    case 'render':
      return renderUpdate(first, work.request);
    default:
      return assertNever(work);
  }
}

function answer(work: Work): WorkAnswer {
  try {
    return { ok: true, result: run(work) };
  } catch (error) {
    // Ends this thread, not the process: the pool tells the caller and starts another one.
    if (!isAppError(error)) process.exit(LOST_THREAD);
    return { ok: false, type: error.type, data: error.data };
  }
}

/** A result may lie in memory that is a little larger: moving it is better than a copy. */
const FULL_SHARE = 7 / 8;

/** Buffers that the result alone owns. */
function buffersOf(result: WorkResult): ArrayBuffer[] {
  if (typeof result === 'string') return [];
  const parts = result instanceof Uint8Array ? [result] : Object.values(result);
  return parts
    .filter((part): part is Uint8Array<ArrayBuffer> => part instanceof Uint8Array)
    .filter((part) => part.byteLength >= FULL_SHARE * part.buffer.byteLength)
    .map((part) => part.buffer);
}

// The pool loads the default export of the file.
// eslint-disable-next-line import-x/no-default-export
export default function handle(work: Work): unknown {
  const value = answer(work);
  const buffers = value.ok ? [...new Set(buffersOf(value.result))] : [];
  return move({ [transferableSymbol]: buffers, [valueSymbol]: value } as unknown as Parameters<
    typeof move
  >[0]);
}
