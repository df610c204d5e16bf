/** Wakes everybody who waits for "something has changed"; each waiter then looks at its own condition again. */
export class Signal {
  #waiters: (() => void)[] = [];
  #failure: Error | undefined;

  notify(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }

  /** Every present and later `until` rejects with this error. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.notify();
  }

  /** Resolves at the next `notify`. */
  async next(): Promise<void> {
    await new Promise<void>((resolve) => this.#waiters.push(resolve));
    if (this.#failure) throw this.#failure;
  }

  /** Resolves once the condition holds; it is looked at now and after every `notify`. */
  async until(condition: () => boolean): Promise<void> {
    if (this.#failure) throw this.#failure;
    while (!condition()) await this.next();
  }
}
