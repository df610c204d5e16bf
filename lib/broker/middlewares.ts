import type { Middleware } from 'moleculer';

/** Added to a call's own time limit, so that the broker's error comes first and this only cleans up. */
const GRACE_MS = 200;

/**
 * A timed-out remote call leaves its Context in the tracker for ever, and every later stop waits for it.
 * Ending the promise a little after the call's own limit releases it.
 */
export const releaseTimedOutContexts: Middleware = {
  name: 'ReleaseTimedOutContexts',
  remoteAction(next) {
    return function release(ctx) {
      const limitMs = ctx.options.timeout;
      const pending = next.call(this, ctx) as Promise<unknown> & {
        timeout?: (ms: number) => Promise<unknown>;
      };
      return limitMs && pending.timeout ? pending.timeout(limitMs + GRACE_MS) : pending;
    };
  },
};
