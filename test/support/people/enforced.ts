import { expect } from '@jest/globals';
import { Stopwatch } from '../stopwatch.ts';
import { waitFor } from '../wait.ts';

/** A change of rights is enforced at every gateway within this time, on a machine that answers in the usual one. */
const ENFORCED_MS = 1_000;
/** The change itself takes less, and so does each round of what is done beside it. */
const USUAL_MS = 200;
const SLOW_MS = 60_000;

export interface Enforced {
  change: () => Promise<{ status: number }>;
  /** Whom it concerns has been told at every gateway. */
  isTold: () => boolean;
  what: string;
  /** Done again and again meanwhile: a request and an edit that is acked, by somebody whom it does not concern. */
  beside: () => Promise<unknown>;
}

/** A change is enforced within a second, or so many as the machine is slower than usual just now. */
export async function isEnforcedAtOnce({ change, isTold, what, beside }: Enforced): Promise<void> {
  const watch = new Stopwatch();
  expect((await change()).status).toBe(204);
  const changedAtMs = watch.ms;
  let slowestMs = changedAtMs;
  let isOver = false;
  const look = async () => {
    while (!isOver) {
      const beganAtMs = watch.ms;
      await beside();
      slowestMs = Math.max(slowestMs, watch.ms - beganAtMs);
    }
  };
  const told = waitFor(isTold, { timeoutMs: SLOW_MS, what })
    .then(() => watch.ms)
    .finally(() => (isOver = true));
  const [toldAtMs] = await Promise.all([told, look()]).finally(() => watch.stop());
  expect(toldAtMs - changedAtMs).toBeLessThan(Math.max(1, slowestMs / USUAL_MS) * ENFORCED_MS);
}
