import type { Nack, NackCode } from '../../lib/protocol/index.ts';
import { nameOf, type OwedNack } from './expectation.ts';

/** Of a frame in a report. */
const MAX_SHOWN_BYTES = 2_000;

/** Nobody but a reader gives these: where no unreadable frame is left, a readable one was refused. */
const OF_READERS: ReadonlySet<NackCode> = new Set<NackCode>([
  'BAD_FRAME',
  'BAD_CHUNK',
  'BAD_ENVELOPE',
  'BAD_ID',
  'BAD_MESSAGE_TYPE',
  'UNSUPPORTED_VERSION',
  'FRAME_TOO_LARGE',
  // What a message handler that threw says.
  'UNAVAILABLE',
]);

/** The nacks that one connection still has to get, each of them by itself: one too many does not stand for another. */
export class OwedNacks {
  #open: OwedNack[] = [];

  get count(): number {
    return this.#open.length;
  }

  add(nacks: readonly OwedNack[]): void {
    this.#open.push(...nacks);
  }

  /** Takes what the nack answers from the list. False when it answers nothing in it and is none that may come so. */
  settle(nack: Nack, mayBeRefused: (name: string) => boolean): boolean {
    const name = nameOf(nack);
    const exact = this.#open.findIndex(
      (owed) => owed.code === nack.code && (owed.name === undefined || owed.name === name),
    );
    const index =
      exact >= 0 ? exact : this.#open.findIndex((owed) => owed.code === undefined && owed.name === name);
    if (index >= 0) this.#open.splice(index, 1);
    else if (nack.code === 'BAD_UPDATE') return mayBeRefused(name);
    else if (OF_READERS.has(nack.code)) return false;
    return true;
  }

  /** What is left, in words that explain it; nothing is owed after that. */
  takeUnanswered(): string[] {
    const open = this.#open;
    this.#open = [];
    return open.map(({ code = 'any code', name = 'any name', bytes }) => {
      const hex = Buffer.from(bytes.subarray(0, MAX_SHOWN_BYTES)).toString('hex');
      return `${code} for "${name}", ${bytes.byteLength} bytes: ${hex}`;
    });
  }
}
