/**
 * How long is waited for what has to happen at once. Long for a busy machine (it takes some 50 ms on a quiet one), and
 * shorter than what else would bring it about in the end: recorded changes are looked for every 5 s, and decisions are
 * asked about anew every 5 s at the soonest.
 */
export const AT_ONCE = { timeoutMs: 3_000 };
