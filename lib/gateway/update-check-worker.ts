import { lowerThreadPriority } from '../thread-priority.ts';
import { isSound } from './update-check.ts';

/** Large updates are checked here: those who type go first. */
const CHECK_NICE = 5;

lowerThreadPriority(CHECK_NICE);

/** Task of the worker thread of threaded-update-check.ts. */
// eslint-disable-next-line import-x/no-default-export -- the pool calls the default export
export default function check(update: Uint8Array): boolean {
  return isSound(update);
}
