/**
 * Several byte strings in buffers of their own. Posting a view to a thread would copy all of the memory
 * under it (a pooled Buffer's 8 kB, a whole fetch of the log); these buffers are moved, not copied.
 */
export interface Packed {
  /** One for each run of parts. */
  buffers: ArrayBuffer[];
  /** Of the parts in each buffer. */
  lengths: number[][];
}

/** To copy so much takes a millisecond or two. */
const SLICE_BYTES = 1024 * 1024;

/** In new buffers of about a megabyte, with a pause after each: nobody has to wait for the copy of a large document. */
export async function pack(parts: readonly Uint8Array[], pause: () => Promise<void>): Promise<Packed> {
  const packed: Packed = { buffers: [], lengths: [] };
  for (const slice of slicesOf(parts)) {
    if (packed.buffers.length > 0) await pause();
    packed.buffers.push(joined(slice));
    packed.lengths.push(slice.map((part) => part.byteLength));
  }
  return packed;
}

/** The first part moves as it is if it has memory of its own: the caller has given it away. */
export async function packGiven(
  given: Uint8Array,
  parts: readonly Uint8Array[],
  pause: () => Promise<void>,
): Promise<Packed> {
  const { buffer, byteLength } = given;
  if (!(buffer instanceof ArrayBuffer) || buffer.byteLength !== byteLength)
    return pack([given, ...parts], pause);
  const rest = await pack(parts, pause);
  return { buffers: [buffer, ...rest.buffers], lengths: [[byteLength], ...rest.lengths] };
}

export function* slicesOf(parts: readonly Uint8Array[]): Generator<readonly Uint8Array[]> {
  let slice: Uint8Array[] = [];
  let bytes = 0;
  for (const part of parts) {
    slice.push(part);
    bytes += part.byteLength;
    if (bytes < SLICE_BYTES) continue;
    yield slice;
    slice = [];
    bytes = 0;
  }
  if (slice.length > 0) yield slice;
}

export function joined(parts: readonly Uint8Array[]): ArrayBuffer {
  const bytes = new Uint8Array(sizeOf(parts));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.byteLength;
  }
  return bytes.buffer;
}

/** Views on the packed buffers. */
export function unpack({ buffers, lengths }: Packed): Uint8Array[] {
  return buffers.flatMap((buffer, index) => {
    let at = 0;
    return lengths[index]!.map((length) => {
      const part = new Uint8Array(buffer, at, length);
      at += length;
      return part;
    });
  });
}

export function sizeOf(parts: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const part of parts) bytes += part.byteLength;
  return bytes;
}
