import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { TopicPartition } from '../stream/port.ts';
import { keyOf } from './follower-pool.ts';

export interface LogWatchParts {
  clock: Clock;
  logger: Logger;
  /** Rejects while the partition cannot be reached. */
  probe: (target: TopicPartition) => Promise<unknown>;
}

interface Trouble {
  target: TopicPartition;
  failures: number;
  lastFailureMs: number;
  /** Since when nothing is wrong any more, and whether an update has shown that. */
  over?: { sinceMs: number; isProven: boolean };
}

/** Without another failure for so long, trouble that has an end is told to be over. */
const QUIET_MS = 2_000;
/** The same when only the log's end could be asked for: a broker that comes back answers that before it takes updates. */
const UNPROVEN_QUIET_MS = 15_000;
/** Nobody may be writing any more: then the log itself is asked, this often at the most. */
const PROBE_INTERVAL_MS = 1_000;

/**
 * Whether the log takes this gateway's updates. It is told of every append; the operator is told once when an outage
 * begins and once when it ends, with the number of updates that were not taken.
 */
export class LogWatch {
  readonly #parts: LogWatchParts;
  readonly #troubles = new Map<string, Trouble>();
  #toldSinceMs: number | undefined;
  #failures = 0;
  #probedAtMs = -Infinity;

  constructor(parts: LogWatchParts) {
    this.#parts = parts;
  }

  /** True while the last append to some partition has failed. */
  get isAway(): boolean {
    for (const { over } of this.#troubles.values()) if (!over) return true;
    return false;
  }

  appended(target: TopicPartition): void {
    if (this.#troubles.size === 0) return;
    const trouble = this.#troubles.get(keyOf(target));
    if (trouble && !trouble.over?.isProven)
      trouble.over = { sinceMs: this.#parts.clock.now(), isProven: true };
  }

  failed(target: TopicPartition, error: unknown): void {
    const { clock, logger } = this.#parts;
    const now = clock.now();
    const key = keyOf(target);
    const { failures } = this.#troubles.get(key) ?? { failures: 0 };
    this.#troubles.set(key, { target, failures: failures + 1, lastFailureMs: now });
    this.#failures++;
    if (this.#toldSinceMs !== undefined) return;
    this.#toldSinceMs = now;
    logger.warn({ err: error, ...target }, 'the log does not take updates');
  }

  /** Finds out whether the outage is over. To be called regularly. */
  check(): void {
    if (this.#troubles.size === 0) return;
    const now = this.#parts.clock.now();
    for (const [key, { over }] of this.#troubles)
      if (over && now - over.sinceMs >= (over.isProven ? QUIET_MS : UNPROVEN_QUIET_MS))
        this.#troubles.delete(key);
    if (this.#troubles.size === 0) return this.#tellEnd(now);
    if (now - this.#probedAtMs < PROBE_INTERVAL_MS) return;
    this.#probedAtMs = now;
    for (const trouble of this.#troubles.values())
      if (!trouble.over && now - trouble.lastFailureMs >= QUIET_MS) this.#probe(trouble);
  }

  #probe(trouble: Trouble): void {
    this.#parts.probe(trouble.target).then(
      () => {
        trouble.over ??= { sinceMs: this.#parts.clock.now(), isProven: false };
      },
      () => undefined, // still away: the next check asks again
    );
  }

  #tellEnd(nowMs: number): void {
    const lastedMs = Math.round(nowMs - (this.#toldSinceMs ?? nowMs));
    this.#parts.logger.warn({ lastedMs, failures: this.#failures }, 'the log takes updates again');
    this.#toldSinceMs = undefined;
    this.#failures = 0;
  }
}
