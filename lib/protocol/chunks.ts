import { decoded, failed, type Decoded } from './failures.ts';
import { encodeChunkHead, type Chunk } from './frames.ts';

/** Bytes that the chunk head may take: kind byte and three VarUints. */
export const CHUNK_HEAD_BYTES = 1 + 3 * 8;

/** The frame itself when it fits, else chunk frames of at most `maxFrameBytes` (above CHUNK_HEAD_BYTES), in order, all with `id`. */
export function* splitFrame(frame: Uint8Array, id: number, maxFrameBytes: number): Generator<Uint8Array> {
  for (const pieces of cutParts([frame], id, maxFrameBytes)) yield joinParts(pieces);
}

/**
 * As `splitFrame`, of a frame that lies in several parts: each chunk frame comes as a head and views on the parts.
 * Nothing is copied, so that what many connections are sent (a large state behind a head of their own) is in memory once.
 */
export function* cutParts(
  parts: readonly Uint8Array[],
  id: number,
  maxFrameBytes: number,
): Generator<readonly Uint8Array[]> {
  const total = sizeOfParts(parts);
  if (total <= maxFrameBytes) {
    yield parts;
    return;
  }
  const size = maxFrameBytes - CHUNK_HEAD_BYTES;
  const count = Math.ceil(total / size);
  for (let index = 0; index < count; index++) {
    const to = Math.min(total, (index + 1) * size);
    yield [encodeChunkHead({ id, index, count }), ...slice(parts, index * size, to)];
  }
}

export function sizeOfParts(parts: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const part of parts) bytes += part.byteLength;
  return bytes;
}

/** The bytes of all parts, in order; the part itself when there is one. */
export function joinParts(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const joined = new Uint8Array(sizeOfParts(parts));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.byteLength;
  }
  return joined;
}

/** Views on the bytes `from` to `to` (exclusive) of all parts. */
function slice(parts: readonly Uint8Array[], from: number, to: number): Uint8Array[] {
  const views: Uint8Array[] = [];
  let start = 0;
  for (const part of parts) {
    const end = start + part.byteLength;
    if (from < end && to > start)
      views.push(part.subarray(Math.max(from, start) - start, Math.min(to, end) - start));
    start = end;
  }
  return views;
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
