import { foldWithYjs } from './fold.ts';
import type { Codec } from './port.ts';
import {
  checkUpdate,
  describeUpdate,
  diffUpdate,
  mergeUpdates,
  renderUpdate,
  stateVectorOf,
} from './tasks.ts';

/** Restarts of a fold on the calling thread; more of them would hold up everything else. */
const MAX_INLINE_RESTARTS = 8;

/** Works on the calling thread, without a time limit: for small inputs, tests and tools. */
export function createInlineCodec(options: { maxRestarts?: number } = {}): Codec {
  const limits = { maxRestarts: options.maxRestarts ?? MAX_INLINE_RESTARTS };
  return {
    fold: async (snapshot, updates) => foldWithYjs(snapshot, updates, limits),
    merge: async (updates) => mergeUpdates(updates),
    diff: async (update, stateVector) => diffUpdate(update, stateVector),
    stateVectorOf: async (update) => stateVectorOf(update),
    check: async (update) => checkUpdate(update),
    describe: async (update) => describeUpdate(update),
    render: async (update, request) => renderUpdate(update, request),
    close: async () => undefined,
  };
}
