/**
 * Asks for the end of a partition's log. The answer is of a time after the call; calls that come while a question
 * is on its way share the next one, so that 200 joins at once ask twice.
 */
export class EndQuery {
  readonly #query: () => Promise<number>;
  #running: Promise<number> | undefined;
  #next: Promise<number> | undefined;

  constructor(query: () => Promise<number>) {
    this.#query = query;
  }

  ask(): Promise<number> {
    if (!this.#running) return this.#run();
    const again = () => {
      this.#next = undefined;
      return this.#run();
    };
    this.#next ??= this.#running.then(again, again);
    return this.#next;
  }

  #run(): Promise<number> {
    const running = this.#query();
    this.#running = running;
    const done = () => {
      if (this.#running === running) this.#running = undefined;
    };
    running.then(done, done);
    return running;
  }
}
