import type { Clock, TimerHandle } from '../clock.ts';
import type { RenewAnswer, Refusal } from '../protocol/events.ts';
import type { NackCode } from '../protocol/nack-codes.ts';
import { NACK_CODES } from '../protocol/nack-codes.ts';
import type { ClientSession } from './client-session.ts';
import type { AccessControl, Identity } from './port.ts';

export interface TokenLifeParts {
  clock: Clock;
  access: Pick<AccessControl, 'identify'>;
  session: Pick<ClientSession, 'identity' | 'renewed' | 'close' | 'isClosed' | 'joinRate'>;
  /** Asks the client for a new token. */
  ask: (expiresInMs: number) => void;
}

/** The client is asked so long before the end, or in the last quarter of a token that lives for less. */
const ASK_BEFORE_MS = 60_000;
/** Timers take no longer times. */
const MAX_TIMER_MS = 24 * 3_600_000;
const REFUSED_RETRY_MS = 1_000;

/** The token of one connection: the client is asked for a new one in time, and without it the connection ends. */
export class TokenLife {
  readonly #parts: TokenLifeParts;
  #timer: TimerHandle | undefined;
  #isRenewing = false;

  constructor(parts: TokenLifeParts) {
    this.#parts = parts;
    this.#begin();
  }

  /** Answers exactly once, and refuses a token that says something else than the one before. */
  async renew(auth: unknown): Promise<RenewAnswer> {
    const { access, session, clock } = this.#parts;
    const waitMs = this.#isRenewing ? REFUSED_RETRY_MS : session.joinRate.take(0);
    if (waitMs > 0) return refusal('RATE_LIMITED', waitMs);
    this.#isRenewing = true;
    const result = await access.identify(auth).finally(() => (this.#isRenewing = false));
    if (session.isClosed) return refusal('UNAVAILABLE');
    if (!result.ok) return refusal(result.code);
    // Other rights or another person need a new connection: documents are open by what the first token said.
    if (!isSame(session.identity, result.identity)) return refusal('UNAUTHENTICATED');
    session.renewed(result.identity);
    this.#begin();
    const { expiresAtMs } = result.identity;
    return { ok: true, expiresInMs: expiresAtMs === undefined ? null : expiresAtMs - clock.wallTime() };
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #begin(): void {
    const leftMs = this.#leftMs();
    if (leftMs === undefined) return;
    this.#wait(leftMs - Math.min(ASK_BEFORE_MS, leftMs / 4), () => {
      this.#parts.ask(Math.max(0, this.#leftMs()!));
      this.#wait(this.#leftMs()!, () => this.#parts.session.close('UNAUTHENTICATED'));
    });
  }

  #wait(forMs: number, then: () => void): void {
    this.#timer?.cancel();
    const stepMs = Math.max(0, Math.min(forMs, MAX_TIMER_MS));
    this.#timer = this.#parts.clock.setTimeout(() => {
      if (forMs > MAX_TIMER_MS) this.#wait(forMs - stepMs, then);
      else then();
    }, stepMs);
  }

  /** Undefined for one that does not end. */
  #leftMs(): number | undefined {
    const { expiresAtMs } = this.#parts.session.identity;
    return expiresAtMs === undefined ? undefined : expiresAtMs - this.#parts.clock.wallTime();
  }
}

function isSame(one: Identity, other: Identity): boolean {
  const essence = ({ userId, tenantId, rooms }: Identity) =>
    JSON.stringify([userId, tenantId, rooms && Object.entries(rooms).sort()]);
  return essence(one) === essence(other);
}

function refusal(code: NackCode, retryAfterMs?: number): Refusal {
  const { message, permanent } = NACK_CODES[code];
  const wait = permanent ? undefined : (retryAfterMs ?? REFUSED_RETRY_MS);
  return { ok: false, code, message, permanent, ...(wait === undefined ? {} : { retryAfterMs: wait }) };
}
