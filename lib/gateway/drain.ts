import { pause, type Clock } from '../clock.ts';
import type { ClientSession } from './client-session.ts';

export interface DrainOptions {
  clock: Clock;
  /** Those that are open now; a closed one leaves it. */
  sessions: ReadonlySet<ClientSession>;
  clientsPerSecond: number;
  /** After this all have been moved: with more clients than fit, the rate is higher. */
  limitMs: number;
  /** What a moved client is told to wait before it connects elsewhere. */
  retryAfterMs: number;
}

const STEP_MS = 50;

/** Closes the connections one after the other, so that the gateways that take them over are not hit by all at once. */
export async function drain(options: DrainOptions): Promise<number> {
  const { clock, sessions, limitMs, retryAfterMs } = options;
  const startedAt = clock.now();
  const perMs = Math.max(options.clientsPerSecond / 1000, sessions.size / limitMs);
  let moved = 0;
  while (sessions.size > 0 && clock.now() - startedAt < limitMs) {
    const due = Math.ceil((clock.now() - startedAt + STEP_MS) * perMs);
    for (const session of [...sessions].slice(0, due - moved)) {
      session.close('SERVER_STOPPING', { retryAfterMs });
      moved++;
    }
    if (sessions.size > 0) await pause(clock, STEP_MS);
  }
  return moved;
}
