import { isSound } from '../../../lib/gateway/update-check.ts';
import type { CheckWork } from '../../../lib/gateway/threaded-update-check.ts';

Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_500);

// eslint-disable-next-line import-x/no-default-export -- the pool calls the default export
export default function check({ update, begun }: CheckWork): boolean {
  Atomics.store(begun, 0, 1);
  return isSound(update);
}
