import type { Clock } from '../../clock.ts';

/** Whether the promise settles, in whatever way, within the time. */
export async function settlesWithin(
  clock: Clock,
  work: Promise<unknown>,
  timeoutMs: number,
): Promise<boolean> {
  let timer: { cancel(): void } | undefined;
  const late = new Promise<false>((resolve) => {
    timer = clock.setTimeout(() => resolve(false), timeoutMs);
  });
  const settled = work.then(
    () => true,
    () => true,
  );
  const inTime = await Promise.race([settled, late]);
  timer?.cancel();
  return inTime;
}

/** A pause that somebody else can end early. */
export class Bell {
  readonly #clock: Clock;
  #ring: (() => void) | undefined;
  #rung = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Ends the present wait, or the next one if nobody waits. */
  ring(): void {
    if (this.#ring) this.#ring();
    else this.#rung = true;
  }

  /** Resolves after the delay (never by itself when it is undefined) or when the bell rings. One waiter at a time. */
  wait(delayMs?: number): Promise<void> {
    if (this.#rung) {
      this.#rung = false;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const timer = delayMs === undefined ? undefined : this.#clock.setTimeout(() => end(), delayMs);
      const end = () => {
        timer?.cancel();
        this.#ring = undefined;
        resolve();
      };
      this.#ring = end;
    });
  }
}
