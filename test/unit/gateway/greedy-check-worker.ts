import type { CheckWork } from '../../../lib/gateway/threaded-update-check.ts';
import { isDecodable } from '../../../lib/gateway/update-check.ts';

const MB = 1024 * 1024;
const NUMBER_BYTES = 8;

/** Takes as many times 10 MB as the first byte says, and checks what is behind it. */
// eslint-disable-next-line import-x/no-default-export -- the pool calls the default export
export default function check({ update, begun }: CheckWork): boolean {
  Atomics.store(begun, 0, 1);
  const held: number[][] = [];
  // In pieces that V8 keeps in its heap: memory beside it is not what the limit is for.
  for (let n = 0; n < update[0]! * 10; n++) held.push(new Array<number>(MB / NUMBER_BYTES).fill(n + 0.5));
  return held.length === update[0]! * 10 && isDecodable(update.subarray(1));
}
