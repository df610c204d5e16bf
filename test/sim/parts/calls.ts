import { AppError } from '../../../lib/errors.ts';
import type { SyncAnswer, SyncRequest, SyncSource } from '../../../lib/sync/port.ts';
import type { Counters } from '../engine/counters.ts';
import type { SimProcess } from '../engine/process.ts';
import type { Weather } from '../engine/weather.ts';

export interface CallsParts {
  weather: Weather;
  counters: Counters;
  onCall: (request: SyncRequest) => void;
  /** Processes that answer joins now. */
  sources: () => readonly { process: SimProcess; source: SyncSource }[];
}

const GONE_MS = 2_000;

/** Calls between the services: to one of those that are there, and perhaps no answer comes. */
export function simCalls(caller: SimProcess, { weather, counters, sources, onCall }: CallsParts): SyncSource {
  const { random, scheduler } = caller;
  return {
    join: (request: SyncRequest) =>
      new Promise<SyncAnswer>((resolve, reject) => {
        counters.count('join-call');
        onCall(request);
        const known = sources();
        const fail = (delayMs: number) =>
          caller.after(delayMs, 'call failed', () => reject(new AppError('SERVICE_UNAVAILABLE')));
        if (known.length === 0) return fail(random.delay(5, 50));
        const { process, source } = random.pick(known);
        // A node that has gone is noticed some time later, and what was asked of it fails.
        if (process.isDead) return fail(random.next() * GONE_MS);
        const loss = weather.is('calls-lost', caller.name) ? random.next() : 1;
        if (loss < 0.3) return; // the request: only the caller's time limit ends it
        scheduler.after(
          random.delay(3, 40),
          'call',
          () => {
            const back = (label: string, settle: () => void) => {
              if (loss < 0.6) return; // the answer
              scheduler.after(random.delay(3, 40), label, settle, caller);
            };
            if (process.isDead) return back('call failed', () => reject(new AppError('SERVICE_UNAVAILABLE')));
            source.join(request).then(
              (answer) => back('join answer', () => resolve(answer)),
              (error: unknown) => back('join error', () => reject(error as Error)),
            );
          },
          process,
        );
      }),
  };
}
