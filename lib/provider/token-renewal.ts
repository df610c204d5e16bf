import type { RenewAnswer } from '../protocol/index.ts';
import { Alarm, type ProviderEnvironment } from './environment.ts';
import type { Transport } from './transport.ts';

const MAX_RETRY_MS = 2_000;
const MIN_RETRY_MS = 100;

export interface TokenRenewalParts {
  getToken: (() => string | undefined | Promise<string | undefined>) | undefined;
  environment: ProviderEnvironment;
  /** Undefined while not connected. */
  transport: () => Transport | undefined;
}

/** Gives the server a new token when it asks for one, on the open connection; without one it closes it at the end. */
export class TokenRenewal {
  readonly #parts: TokenRenewalParts;
  readonly #retry: Alarm;
  /** Tells a late token of an earlier question apart. */
  #asked = 0;

  constructor(parts: TokenRenewalParts) {
    this.#parts = parts;
    this.#retry = new Alarm(parts.environment);
  }

  /** The old one ends in so many milliseconds. */
  ask(expiresInMs: number): void {
    const { getToken } = this.#parts;
    if (!getToken) return;
    const asked = ++this.#asked;
    const retryMs = Math.min(MAX_RETRY_MS, Math.max(MIN_RETRY_MS, expiresInMs / 4));
    this.#retry.clear();
    const again = (afterMs: number) => {
      if (asked === this.#asked) this.#retry.set(afterMs, () => this.ask(expiresInMs - afterMs));
    };
    // Asked in a turn of its own, so that one that throws is like one that rejects.
    Promise.resolve()
      .then(getToken)
      .then(
        (token) => {
          if (asked !== this.#asked || token === undefined) return;
          this.#parts.transport()?.renew?.(token, (answer: RenewAnswer) => {
            if (!answer.ok && !answer.permanent) again(retryMs);
          });
        },
        // Who gives tokens is away for a moment; in the end the server closes, which is told.
        () => again(retryMs),
      );
  }

  stop(): void {
    this.#asked++;
    this.#retry.clear();
  }
}
