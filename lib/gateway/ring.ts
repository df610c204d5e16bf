import type { Entry } from '../protocol/frames.ts';

/** An entry with what the fan-out needs to know of its record. */
export interface LogEntry extends Entry {
  /** Who wrote it (`ownerKey`); empty for control records. */
  owner: string;
  version: number;
}

const ENTRY_OVERHEAD_BYTES = 64;
const COMPACT_AFTER = 256;

/** The last entries of a document, bounded in bytes; holds every entry after `heldAfter`. */
export class EntryRing {
  readonly #maxBytes: number;
  #entries: LogEntry[] = [];
  #head = 0;
  #bytes = 0;
  #heldAfter: number;

  constructor(maxBytes: number, heldAfter: number) {
    this.#maxBytes = maxBytes;
    this.#heldAfter = heldAfter;
  }

  get heldAfter(): number {
    return this.#heldAfter;
  }

  get bytes(): number {
    return this.#bytes;
  }

  push(entry: LogEntry): void {
    this.#entries.push(entry);
    this.#bytes += sizeOf(entry);
    while (this.#bytes > this.#maxBytes) this.#dropFirst();
  }

  /** Gives up what is not after `offset`. */
  raise(offset: number): void {
    while (this.#head < this.#entries.length && this.#entries[this.#head]!.position.offset <= offset)
      this.#dropFirst();
    this.#heldAfter = Math.max(this.#heldAfter, offset);
  }

  /** The entries after `offset` in order, or undefined when the ring does not reach back that far. */
  after(offset: number): LogEntry[] | undefined {
    if (offset < this.#heldAfter) return undefined;
    let low = this.#head;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#entries[middle]!.position.offset <= offset) low = middle + 1;
      else high = middle;
    }
    return this.#entries.slice(low);
  }

  #dropFirst(): void {
    const entry = this.#entries[this.#head]!;
    this.#head++;
    this.#bytes -= sizeOf(entry);
    this.#heldAfter = entry.position.offset;
    if (this.#head >= COMPACT_AFTER && this.#head * 2 >= this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
  }
}

function sizeOf(entry: LogEntry): number {
  return entry.envelope.byteLength + ENTRY_OVERHEAD_BYTES;
}
