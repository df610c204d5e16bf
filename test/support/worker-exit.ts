import { isMainThread } from 'node:worker_threads';

// Loaded into jest's worker processes by --import. A worker whose handles are all closed has still to free its heap,
// 250 ms for 470 MB, and longer on a busy machine; after 500 ms jest takes that for a leak. process.exit leaves the
// heap to the kernel. A handle that stays open is told as before: then there is no `exit` to begin with.
if (isMainThread && process.argv[1]?.includes('jest-worker'))
  process.once('exit', (code) => process.exit(code));
