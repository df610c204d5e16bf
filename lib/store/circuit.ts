import { pause, type Clock } from '../clock.ts';
import { AppError, isAppError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { PersistenceAdapter } from './port.ts';

export interface CircuitParts {
  store: PersistenceAdapter;
  clock: Clock;
  logger: Logger;
}

/** Calls in a row that the server did not answer. */
const FAILURES = 3;
const PROBE_MIN_MS = 250;
const PROBE_MAX_MS = 2_000;
const PROBE_LIMIT_MS = 2_000;
/** These look after themselves; `exportHistory` answers page by page. */
const UNGUARDED = new Set<PropertyKey>(['prepare', 'ping', 'close', 'exportHistory']);

/**
 * A circuit breaker before a store: when it does not answer, calls are refused at once instead of each waiting for
 * its time limit, and one probe at a time asks whether it is back. What the server itself refuses (a lock, a
 * statement that took too long, bad data) does not count: it answers.
 */
export function withCircuit(parts: CircuitParts): PersistenceAdapter {
  const circuit = new Circuit(parts);
  return new Proxy(parts.store, {
    get(target, name) {
      const found = Reflect.get(target, name) as unknown;
      if (typeof found !== 'function') return found;
      const method = found as (...args: unknown[]) => Promise<unknown>;
      if (name === 'close') return () => circuit.close();
      if (UNGUARDED.has(name)) return method.bind(target);
      return (...args: unknown[]) => circuit.guard(() => method.apply(target, args));
    },
  });
}

class Circuit {
  readonly #parts: CircuitParts;
  #failures = 0;
  #isOpen = false;
  #closed = false;

  constructor(parts: CircuitParts) {
    this.#parts = parts;
  }

  async guard<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isOpen) throw new AppError('STORE_UNAVAILABLE', { data: { circuit: 'open' } });
    try {
      const result = await work();
      this.#failures = 0;
      return result;
    } catch (error) {
      if (!isUnanswered(error)) this.#failures = 0;
      else if (++this.#failures >= FAILURES) this.#open(error);
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#parts.store.close();
  }

  #open(error: unknown): void {
    if (this.#isOpen || this.#closed) return;
    this.#isOpen = true;
    this.#parts.logger.error({ err: error }, 'the store does not answer: calls to it are refused');
    void this.#untilAnswered();
  }

  async #untilAnswered(): Promise<void> {
    const { store, clock, logger } = this.#parts;
    for (let delayMs = PROBE_MIN_MS; !this.#closed; delayMs = Math.min(2 * delayMs, PROBE_MAX_MS)) {
      await pause(clock, delayMs);
      if (this.#closed || !(await store.ping(PROBE_LIMIT_MS))) continue;
      this.#failures = 0;
      this.#isOpen = false;
      logger.info({}, 'the store answers again');
      return;
    }
  }
}

/** No SQLSTATE, or one that says that the server goes, comes or is full (classes 08, 53, 58, and 57P0x). */
function isUnanswered(error: unknown): boolean {
  if (!isAppError(error, 'STORE_UNAVAILABLE')) return false;
  const { sqlState } = error.data;
  return typeof sqlState !== 'string' || /^(08|53|58|57P0)/.test(sqlState);
}
