import { isSound } from './update-check.ts';

/** Task of the worker thread of threaded-update-check.ts. */
// eslint-disable-next-line import-x/no-default-export -- the pool calls the default export
export default function check(update: Uint8Array): boolean {
  return isSound(update);
}
