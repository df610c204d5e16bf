import { decoded, failed, type Decoded } from './failures.ts';
import { encodeChunk, type Chunk } from './frames.ts';

/** Bytes that the chunk head may take: kind byte and three VarUints. */
const CHUNK_HEAD_BYTES = 1 + 3 * 8;

/** The frame itself when it fits, else chunk frames of at most `maxFrameBytes`, in order, all with `id`. */
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
  #parts: Uint8Array[] = [];
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
    this.#bytes += chunk.bytes.byteLength;
    if (this.#bytes > this.#maxBytes) return this.#fail('UPDATE_TOO_LARGE');
    this.#parts.push(chunk.bytes.slice());
    this.#next++;
    if (this.#next < this.#count) return decoded(undefined);
    const frame = new Uint8Array(this.#bytes);
    let at = 0;
    for (const part of this.#parts) {
      frame.set(part, at);
      at += part.byteLength;
    }
    this.reset();
    return decoded(frame);
  }

  reset(): void {
    this.#id = -1;
    this.#count = 0;
    this.#next = 0;
    this.#parts = [];
    this.#bytes = 0;
  }

  #begin(chunk: Chunk): void {
    this.reset();
    this.#id = chunk.id;
    this.#count = chunk.count;
  }

  #fail(code: 'BAD_CHUNK' | 'UPDATE_TOO_LARGE') {
    this.reset();
    return failed(code);
  }
}
