import { lowerThreadPriority } from '../thread-priority.ts';
import type { CheckWork } from './threaded-update-check.ts';
import { isSound } from './update-check.ts';

/** Large updates are checked here: those who type go first. */
const CHECK_NICE = 5;

lowerThreadPriority(CHECK_NICE);

/** Task of the worker thread of threaded-update-check.ts. */
// eslint-disable-next-line import-x/no-default-export -- the pool calls the default export
export default function check({ update, begun }: CheckWork): boolean {
  Atomics.store(begun, 0, 1);
  return isSound(update);
}
