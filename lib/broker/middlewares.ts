import type { Middleware } from 'moleculer';
import { AppError } from '../errors.ts';
import type { Metrics } from '../metrics.ts';

/** Added to a call's own time limit, so that the broker's error comes first and this only cleans up. */
const GRACE_MS = 200;

type Pending = Promise<unknown> & { timeout?: (ms: number) => Promise<unknown> };

/**
 * A timed-out remote call leaves its Context in the tracker and its request in the transit for ever, and every later
 * stop waits for it. Ending the promise a little after the call's own limit releases both.
 */
export const releaseTimedOutCalls: Middleware = {
  name: 'ReleaseTimedOutCalls',
  remoteAction(next) {
    return function release(ctx) {
      const limitMs = ctx.options.timeout;
      const pending = next.call(this, ctx) as Pending;
      if (!limitMs || !pending.timeout) return pending;
      return pending.timeout(limitMs + GRACE_MS).catch((error: unknown) => {
        ctx.broker.transit?.removePendingRequest(ctx.id);
        throw error;
      });
    };
  },
};

/** Counts calls to other processes by how they ended. */
export function countCalls(metrics: Metrics): Middleware {
  const calls = metrics.counter('calls_total');
  return {
    name: 'CountCalls',
    remoteAction(next) {
      return async function count(ctx) {
        try {
          const answer: unknown = await next.call(this, ctx);
          calls.inc({ outcome: 'ok' });
          return answer;
        } catch (error) {
          calls.inc({ outcome: outcomeOf(error) });
          throw error;
        }
      };
    },
  };
}

function outcomeOf(error: unknown): 'failed' | 'timeout' | 'unavailable' {
  const { type, name } = (error ?? {}) as { type?: unknown; name?: unknown };
  if (type === 'REQUEST_TIMEOUT' || name === 'TimeoutError') return 'timeout';
  return type === 'REQUEST_REJECTED' || type === 'SERVICE_UNAVAILABLE' ? 'unavailable' : 'failed';
}

type Send = (topic: string, data: Buffer, meta: object) => Promise<void>;

/** What Kafka's client throws says nothing of retrying, and it is long: callers get an error of ours. */
export const explainFailedSends = {
  name: 'ExplainFailedSends',
  transporterSend(next: Send): Send {
    return async (topic, data, meta) => {
      try {
        await next(topic, data, meta);
      } catch (error) {
        throw new AppError('SERVICE_UNAVAILABLE', {
          message: 'The transporter between the services is not reachable.',
          cause: error,
        });
      }
    };
  },
  // Moleculer's types describe what the hook returns as what it is.
} as unknown as Middleware;
