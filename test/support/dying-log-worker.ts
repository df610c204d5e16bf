import { parentPort, workerData } from 'node:worker_threads';
import type { LogAnswer, LogTask, LogThreadData } from '../../lib/stream/embedded/log-work.ts';

/** How the thread ends: in the n-th piece of work of this kind, before it is done, or done and not answered. */
export interface LogDeath {
  kind: LogTask['kind'];
  /** Default 1. */
  count?: number;
  /** Only commits with a record whose key ends so are counted. */
  keyEnd?: string;
  when: 'before' | 'after';
  /** throw: only after. hang: until it is ended from outside. Default: exit. */
  how?: 'exit' | 'throw' | 'hang';
}

export interface DyingLogData extends LogThreadData {
  death?: LogDeath | undefined;
}

/* The thread of the log, on the real file, but it dies. */
const port = parentPort!;
const { death } = workerData as DyingLogData;
const answer = port.postMessage.bind(port) as (message: LogAnswer, buffers: ArrayBuffer[]) => void;
let left = death?.count ?? 1;
let isDying = false;

function die(how: LogDeath['how']): void {
  isDying = true;
  if (how === 'hang') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  if (how === 'throw')
    // Not here: the thread would answer with it.
    queueMicrotask(() => {
      throw new Error('The thread of the log dies.');
    });
  else process.exit(7);
}

function isCounted(task: LogTask, { kind, keyEnd }: LogDeath): boolean {
  if (task.kind !== kind) return false;
  if (keyEnd === undefined || task.kind !== 'commit') return true;
  return task.asked.records.keys.some((key) => key.endsWith(keyEnd));
}

let lastTask: number | undefined;
port.on('message', (task: LogTask) => {
  if (!death || !isCounted(task, death) || --left !== 0) return;
  if (death.when === 'before') die(death.how);
  else lastTask = task.id;
});
port.postMessage = (message: LogAnswer, buffers: ArrayBuffer[]) => {
  if (lastTask !== undefined && message.id === lastTask) die(death!.how);
  if (!isDying) answer(message, buffers);
};
// Only now: the listener above is to be asked first.
await import('../../lib/stream/embedded/log-worker.ts');
