import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Clock, TimerHandle } from './clock.ts';

export interface MemoryReliefOptions {
  clock: Clock;
  /** Collects all garbage of this thread at once. */
  collect: () => void;
  /** Less than so many bytes of large work are not worth a collection. */
  minBytes?: number;
  /** How long no large work must have ended: its results are still on their way. */
  quietMs?: number;
}

const MIN_BYTES = 16 * 1024 * 1024;
const QUIET_MS = 2_000;

/**
 * Gives back what large work has left. V8 collects when more is asked of it; a process that has folded or written
 * a state of 50 MB and then has little to do keeps it, and the buffers that it came in, for minutes. A collection stops
 * the thread for some ten ms: only for processes to which nobody's typing comes.
 */
export class MemoryRelief {
  readonly #options: MemoryReliefOptions;
  #bytes = 0;
  #timer: TimerHandle | undefined;

  constructor(options: MemoryReliefOptions) {
    this.#options = options;
  }

  /** Work on so many bytes has ended. */
  note(bytes: number): void {
    const { clock, minBytes = MIN_BYTES, quietMs = QUIET_MS } = this.#options;
    this.#bytes += bytes;
    if (this.#bytes < minBytes) return;
    this.#timer?.cancel();
    this.#timer = clock.setTimeout(() => this.#collect(), quietMs);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #collect(): void {
    this.#timer = undefined;
    this.#bytes = 0;
    this.#options.collect();
  }
}

/** V8's own collector, which it shows only to contexts that are made while this flag is set. */
export function createCollector(): () => void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  setFlagsFromString('--no-expose-gc');
  return collect;
}
