import type { CallingOptions, Middleware, ServiceBroker } from 'moleculer';
import { pause, type Clock } from '../clock.ts';
import { AppError, isAppError } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import { repetitionOf } from './actions.ts';

const RETRIES = 3;
const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 1_000;

type Call = (
  action: string,
  params: unknown,
  options?: CallingOptions,
) => Promise<unknown> & { ctx?: { nodeID?: string } };

interface Endpoint {
  id: string;
  isAvailable: boolean;
  action: object;
}

/** What broker.registry has beyond its published types. */
interface Catalog {
  get(action: string): { endpoints: readonly Endpoint[] } | undefined;
}

export interface RetryParts {
  clock: Clock;
  metrics: Metrics;
}

/**
 * Calls that failed for a reason that may pass are made again, at another instance where there is one, and all
 * attempts together stay within the call's time limit. Only what is declared repeatable is made again: the first
 * attempt may have run, or may still run. Errors of the transport become SERVICE_UNAVAILABLE.
 */
export function retryRepeatable({ clock, metrics }: RetryParts): Middleware {
  const retried = metrics.counter('call_retries_total');
  let broker: ServiceBroker;
  const endpointsOf = (action: string) =>
    (broker.registry as unknown as { actions: Catalog }).actions.get(action)?.endpoints ?? [];

  const callAgain = (next: Call) => async (action: string, params: unknown, options: CallingOptions) => {
    const limitMs = options.timeout ?? broker.options.requestTimeout ?? 0;
    const deadline = limitMs > 0 ? clock.now() + limitMs : Infinity;
    const retries = options.retries ?? RETRIES;
    let target = options.nodeID;
    for (let failures = 0; ;) {
      const timeout = limitMs > 0 ? { timeout: Math.max(1, Math.round(deadline - clock.now())) } : {};
      let pending: ReturnType<Call> | undefined;
      try {
        pending = next(action, params, { ...options, ...timeout, ...(target && { nodeID: target }) });
        return await pending;
      } catch (error) {
        const delayMs = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** failures++);
        const isLate = clock.now() + delayMs >= deadline;
        if (!isRetryable(error) || failures > retries || isLate || !isRepeatable(endpointsOf(action)))
          throw toAppError(error, action, pending?.ctx?.nodeID);
        retried.inc();
        await pause(clock, delayMs);
        target = options.nodeID ?? otherThan(pending?.ctx?.nodeID, endpointsOf(action));
      }
    }
  };
  return {
    name: 'RetryRepeatable',
    created(made: ServiceBroker) {
      broker = made;
    },
    call(next: Call) {
      const again = callAgain(next);
      return (action: string, params: unknown, options: CallingOptions = {}) =>
        again(action, params, options);
    },
    // Moleculer's types describe what the hook returns as what it is.
  } as unknown as Middleware;
}

function isRepeatable(endpoints: readonly Endpoint[]): boolean {
  return endpoints.length > 0 && endpoints.every(({ action }) => repetitionOf(action) !== undefined);
}

/** Another instance, where the balancer alone might choose the failed one again; undefined leaves it the choice. */
function otherThan(failed: string | undefined, endpoints: readonly Endpoint[]): string | undefined {
  const others = endpoints.filter(({ id, isAvailable }) => isAvailable && id !== failed);
  return others[0]?.id;
}

function isRetryable(error: unknown): boolean {
  return (error as { retryable?: unknown } | null)?.retryable === true;
}

const TRANSPORT_REASONS: Readonly<Record<string, string>> = {
  SERVICE_NOT_FOUND: 'no process offers it',
  SERVICE_NOT_AVAILABLE: 'its process is away',
  REQUEST_TIMEOUT: 'no answer in time',
  REQUEST_REJECTED: 'its process has gone',
  BAD_GATEWAY: 'the transporter is disconnected',
};

/** What Moleculer says when a call did not get through, as an error of ours; any other error stays as it is. */
function toAppError(error: unknown, action: string, nodeID?: string): unknown {
  if (isAppError(error)) return error;
  const { type } = (error ?? {}) as { type?: unknown };
  const reason = typeof type === 'string' ? TRANSPORT_REASONS[type] : undefined;
  if (!reason) return error;
  return new AppError('SERVICE_UNAVAILABLE', {
    message: `${action} cannot be called now: ${reason}.`,
    data: { action, reason: type, ...(nodeID && { nodeID }) },
    cause: error,
  });
}
