import { decoded, failed, type Decoded } from './failures.ts';
import { encodeChunk, type Chunk } from './frames.ts';

/** Bytes that the chunk head may take: kind byte and three VarUints. */
export const CHUNK_HEAD_BYTES = 1 + 3 * 8;

/** The frame itself when it fits, else chunk frames of at most `maxFrameBytes` (above CHUNK_HEAD_BYTES), in order, all with `id`. */
export function* splitFrame(frame: Uint8Array, id: number, maxFrameBytes: number): Generator<Uint8Array> {
  if (frame.byteLength <= maxFrameBytes) {
    yield frame;
    return;
  }
  const size = maxFrameBytes - CHUNK_HEAD_BYTES;
  const count = Math.ceil(frame.byteLength / size);
  for (let index = 0; index < count; index++) {
    yield encodeChunk({ id, index, count, bytes: frame.subarray(index * size, (index + 1) * size) });
  }
}

/** The collected bytes begin with this much room and double, so that many tiny chunks cost no object each. */
const FIRST_CAPACITY_BYTES = 4 * 1024;

/**
 * Puts chunks together again. One message at a time (chunks of one message are never mixed with
 * those of another on a connection), at most `maxBytes`; what does not continue it is a failure and
 * drops what was collected.
 */
export class ChunkAssembler {
  readonly #maxBytes: number;
  #id = -1;
  #count = 0;
  #next = 0;
  #collected = new Uint8Array(0);
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes held now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The whole frame with the last chunk, undefined before it. Copies each chunk, so its buffer may be reused. */
  add(chunk: Chunk): Decoded<Uint8Array | undefined> {
    if (chunk.index === 0) this.#begin(chunk);
    if (chunk.id !== this.#id || chunk.count !== this.#count || chunk.index !== this.#next)
      return this.#fail('BAD_CHUNK');
    if (this.#bytes + chunk.bytes.byteLength > this.#maxBytes) return this.#fail('UPDATE_TOO_LARGE');
    this.#append(chunk.bytes);
    this.#next++;
    if (this.#next < this.#count) return decoded(undefined);
    const frame = this.#collected.subarray(0, this.#bytes);
    this.reset();
    return decoded(frame);
  }

  reset(): void {
    this.#id = -1;
    this.#count = 0;
    this.#next = 0;
    this.#collected = new Uint8Array(0);
    this.#bytes = 0;
  }

  #begin(chunk: Chunk): void {
    this.reset();
    this.#id = chunk.id;
    this.#count = chunk.count;
  }

  /** Grows by what has come, never by what the sender announces. */
  #append(bytes: Uint8Array): void {
    const needed = this.#bytes + bytes.byteLength;
    if (needed > this.#collected.byteLength) {
      const capacity = Math.max(needed, FIRST_CAPACITY_BYTES, 2 * this.#collected.byteLength);
      const grown = new Uint8Array(Math.min(capacity, this.#maxBytes));
      grown.set(this.#collected.subarray(0, this.#bytes));
      this.#collected = grown;
    }
    this.#collected.set(bytes, this.#bytes);
    this.#bytes = needed;
  }

  #fail(code: 'BAD_CHUNK' | 'UPDATE_TOO_LARGE') {
    this.reset();
    return failed(code);
  }
}
