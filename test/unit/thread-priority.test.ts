import { getPriority } from 'node:os';
import { Worker } from 'node:worker_threads';
import { once } from 'node:events';
import { expect, it } from '@jest/globals';

const WORKER = new URL('../support/low-priority-worker.ts', import.meta.url);

it('one thread is slower than the others of its process, where the system knows of threads', async () => {
  const before = getPriority();
  const worker = new Worker(WORKER);
  const [told] = (await once(worker, 'message')) as [{ isLowered: boolean; priority: number }];
  await worker.terminate();
  const isLinux = process.platform === 'linux';
  // One that is lower already is not raised.
  expect(told).toEqual({ isLowered: isLinux, priority: isLinux ? Math.max(7, before) : before });
  expect(getPriority()).toBe(before);
});
