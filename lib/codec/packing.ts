/**
 * Several byte strings in one buffer of their own. Posting a view to a thread would copy all of the memory
 * under it (a pooled Buffer's 8 kB, a whole fetch of the log); the packed buffer is moved, not copied.
 */
export interface Packed {
  buffer: ArrayBuffer;
  lengths: number[];
}

export function pack(parts: readonly Uint8Array[]): Packed {
  let total = 0;
  for (const part of parts) total += part.byteLength;
  const bytes = new Uint8Array(total);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.byteLength;
  }
  return { buffer: bytes.buffer, lengths: parts.map((part) => part.byteLength) };
}

/** Views on the packed buffer. */
export function unpack({ buffer, lengths }: Packed): Uint8Array[] {
  let at = 0;
  return lengths.map((length) => {
    const part = new Uint8Array(buffer, at, length);
    at += length;
    return part;
  });
}
