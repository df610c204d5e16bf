import type { Clock } from '../clock.ts';
import { isAppError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { createInlineCodec } from './inline.ts';
import { sizeOf } from './packing.ts';
import type { CheckVerdict, Codec, Description } from './port.ts';
import { WorkRunner } from './work-runner.ts';

export interface CodecPoolOptions {
  threads: number;
  /** Tasks that may wait for a thread; CODEC_OVERLOADED above. */
  maxQueue: number;
  /** Time limit of one task from its beginning, for each 16 MB of input; then its thread is killed: CODEC_TIMEOUT. */
  timeoutMs: number;
  /** Work on fewer input bytes is done on the calling thread: a hop costs more than it. */
  inlineBytes: number;
  /** JavaScript heap of one thread. */
  maxHeapMb?: number;
  clock: Clock;
  logger: Logger;
  metrics?: Metrics;
  /** Work on so many bytes of input has ended that had a thread to itself. */
  onLargeWork?: (bytes: number) => void;
  /** The file whose default export does the work; tests put a hanging one here. */
  workerUrl?: URL;
}

/** More updates than this are not folded inline, whatever their size: each costs some microseconds. */
const MAX_INLINE_UPDATES = 500;

/** A codec over worker threads; small work is done inline. */
export function createCodecPool(options: CodecPoolOptions): Codec {
  const runner = new WorkRunner(options);
  const inline = createInlineCodec();
  const isSmall = (inputs: readonly Uint8Array[]) => {
    if (inputs.length > MAX_INLINE_UPDATES) return false;
    return sizeOf(inputs) <= options.inlineBytes;
  };
  return {
    async fold(snapshot, updates, foldOptions) {
      const inputs = snapshot ? [snapshot, ...updates] : updates;
      if (isSmall(inputs)) {
        try {
          return await inline.fold(snapshot, updates);
        } catch (error) {
          // Too many bad updates to sort out on this thread.
          if (!isAppError(error, 'CODEC_FAILED')) throw error;
        }
      }
      return runner.fold(snapshot, updates, foldOptions);
    },
    merge: async (updates) =>
      isSmall(updates)
        ? inline.merge(updates)
        : ((await runner.run(updates, (inputs) => ({ kind: 'merge', inputs }))) as Uint8Array),
    diff: async (update, stateVector) =>
      isSmall([update])
        ? inline.diff(update, stateVector)
        : ((await runner.run([update, stateVector], (inputs) => ({
            kind: 'diff',
            inputs,
          }))) as Uint8Array),
    stateVectorOf: async (update) =>
      isSmall([update])
        ? inline.stateVectorOf(update)
        : ((await runner.run([update], (inputs) => ({
            kind: 'stateVectorOf',
            inputs,
          }))) as Uint8Array),
    check: async (update) =>
      isSmall([update])
        ? inline.check(update)
        : ((await runner.run([update], (inputs) => ({
            kind: 'check',
            inputs,
          }))) as CheckVerdict),
    // Tools only: never on the thread that serves others.
    describe: async (update) =>
      (await runner.run([update], (inputs) => ({ kind: 'describe', inputs }))) as Description,
    render: async (update, request) =>
      (await runner.run([update], (inputs) => ({ kind: 'render', request, inputs }))) as string,
    close: () => runner.close(),
  };
}
