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

/** In one new buffer. */
export function pack(parts: readonly Uint8Array[]): Packed {
  const bytes = new Uint8Array(sizeOf(parts));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.byteLength;
  }
  return { buffers: [bytes.buffer], lengths: [parts.map((part) => part.byteLength)] };
}

/** The first part moves as it is if it has memory of its own: the caller has given it away. */
export function packGiven(given: Uint8Array, parts: readonly Uint8Array[]): Packed {
  const { buffer, byteLength } = given;
  if (!(buffer instanceof ArrayBuffer) || buffer.byteLength !== byteLength) return pack([given, ...parts]);
  const rest = pack(parts);
  return { buffers: [buffer, ...rest.buffers], lengths: [[byteLength], ...rest.lengths] };
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
