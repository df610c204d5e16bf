import { readlinkSync } from 'node:fs';
import { getPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { lowerThreadPriority } from '../../lib/thread-priority.ts';

/** Lowers its own priority and tells what it is then. */
const isLowered = lowerThreadPriority(7);
const thread = isLowered ? Number(readlinkSync('/proc/thread-self').split('/').at(-1)) : 0;
parentPort!.postMessage({ isLowered, priority: getPriority(thread) });
