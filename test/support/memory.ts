import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function usedBytes(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/**
 * Bytes that one result of `action` holds, on average over `count` results held at once. The heap is collected
 * before and after, so garbage does not count and the engine's own growth is spread over the results.
 */
export function retainedBytes(action: () => unknown, count = 10): number {
  const held: unknown[] = Array.from({ length: count });
  for (let i = 0; i < 3; i++) action(); // compiles, fills inline caches
  collectGarbage();
  const before = usedBytes();
  for (let i = 0; i < count; i++) held[i] = action();
  collectGarbage();
  const after = usedBytes();
  return held.length === count ? (after - before) / count : NaN;
}
