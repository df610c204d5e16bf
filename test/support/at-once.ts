import { RELAY_POLL_MS } from '../../lib/broker/relay-of.ts';
import { systemClock, type Clock } from '../../lib/clock.ts';

/**
 * How long is waited for what has to happen at once. Long for a busy machine (it takes some 50 ms on a quiet one), and
 * shorter than what else would bring it about in the end: recorded changes are looked for every 5 s, and decisions are
 * asked about anew every 5 s at the soonest.
 */
export const AT_ONCE = { timeoutMs: 3_000 };

/**
 * The clock of a server that never looks for recorded changes by itself: what happens on it at once happens because
 * somebody was told, or not at all. So it can be waited for as long as a slow machine takes.
 */
export const toldOnly: Clock = {
  ...systemClock,
  setTimeout: (callback, delayMs) =>
    delayMs === RELAY_POLL_MS ? { cancel: () => undefined } : systemClock.setTimeout(callback, delayMs),
};

/** How long is waited for it there: decisions are asked about anew after 5 minutes. */
export const WHEN_TOLD = { timeoutMs: 60_000 };
