import type { CheckWork } from '../../../lib/gateway/threaded-update-check.ts';
import { isDecodable } from '../../../lib/gateway/update-check.ts';

const NO_END = 255;

/** Takes as many hundredths of a second as the first byte says, 255: for ever, and checks what is behind it. */
// eslint-disable-next-line import-x/no-default-export -- the pool calls the default export
export default function check({ update, begun }: CheckWork): boolean {
  Atomics.store(begun, 0, 1);
  Atomics.wait(
    new Int32Array(new SharedArrayBuffer(4)),
    0,
    0,
    update[0] === NO_END ? Infinity : update[0]! * 10,
  );
  return isDecodable(update.subarray(1));
}
