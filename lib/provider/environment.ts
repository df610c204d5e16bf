/** What the provider needs of its surroundings; a simulation gives its own. */
export interface ProviderEnvironment {
  /** Monotonic milliseconds. */
  now(): number;
  /** Milliseconds since 1970: stamped into metadata, for display only. */
  wallTime(): number;
  /** Returns the function that cancels the timer. */
  setTimeout(callback: () => void, delayMs: number): () => void;
  /** Runs soon, after the code that is running now: the end of a tick, when updates are sent together. */
  defer(callback: () => void): void;
  /** From 0 up to 1, for jitter. */
  random(): number;
  /** 128 random bits as 32 hex characters. */
  randomId(): string;
}

export const systemEnvironment: ProviderEnvironment = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  setTimeout(callback, delayMs) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
  defer: (callback) => queueMicrotask(callback),
  random: () => Math.random(),
  randomId: () =>
    Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join(
      '',
    ),
};

/** A timer that can be set again; setting it replaces what was set before. */
export class Alarm {
  readonly #environment: ProviderEnvironment;
  #cancel: (() => void) | undefined;

  constructor(environment: ProviderEnvironment) {
    this.#environment = environment;
  }

  get isSet(): boolean {
    return this.#cancel !== undefined;
  }

  set(delayMs: number, callback: () => void): void {
    this.clear();
    this.#cancel = this.#environment.setTimeout(() => {
      this.#cancel = undefined;
      callback();
    }, delayMs);
  }

  clear(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
