import type { Clock } from '../clock.ts';

/**
 * What all connections together are handed of large frames in one turn of the event loop, in bytes. Hundreds of joins
 * of a large document would otherwise fill all their sockets in one turn, and everybody else waits behind them.
 * Costs about half a millisecond on one core; a chunk that is larger goes alone.
 */
export const CHUNK_BYTES_PER_TURN = 512 * 1024;

/** Deals out the turns in the order in which they were asked for; between two of them the loop serves all others. */
export class ChunkTurns {
  readonly #clock: Pick<Clock, 'setImmediate'>;
  readonly #bytesPerTurn: number;
  #left: number;
  #isTurnOpen = false;
  #waiting = new Set<() => void>();

  constructor(clock: Pick<Clock, 'setImmediate'>, bytesPerTurn = CHUNK_BYTES_PER_TURN) {
    this.#clock = clock;
    this.#bytesPerTurn = bytesPerTurn;
    this.#left = bytesPerTurn;
  }

  /** True when another piece may be sent now. If not, `goOn` is called in a later turn, once however often it has asked. */
  isOpenFor(goOn: () => void): boolean {
    if (this.#left > 0) return true;
    this.#waiting.add(goOn);
    return false;
  }

  spend(bytes: number): void {
    this.#left -= bytes;
    this.#openTurn();
  }

  /** It will not go on. */
  forget(goOn: () => void): void {
    this.#waiting.delete(goOn);
  }

  #openTurn(): void {
    if (this.#isTurnOpen) return;
    this.#isTurnOpen = true;
    this.#clock.setImmediate(() => this.#nextTurn());
  }

  #nextTurn(): void {
    this.#isTurnOpen = false;
    this.#left = this.#bytesPerTurn;
    for (const goOn of [...this.#waiting]) {
      if (this.#left <= 0) return this.#openTurn();
      this.#waiting.delete(goOn);
      goOn();
    }
  }
}
