import { readlinkSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';

/**
 * Lets other threads of the process go first, by a nice value of 1 to 19 for the calling thread: what has work for long
 * must not hold up the event loop where there are fewer processors than threads. On Linux alone a thread has a priority
 * of its own; false elsewhere.
 */
export function lowerThreadPriority(nice: number): boolean {
  try {
    // The call is made on the calling thread: `<process>/task/<thread>`.
    const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1));
    if (!Number.isSafeInteger(thread) || thread <= 0) return false;
    setPriority(thread, Math.max(nice, getPriority(thread)));
    return true;
  } catch {
    return false; // no such system, or no such right: slower for others, not wrong
  }
}
