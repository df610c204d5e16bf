import type * as decoding from 'lib0/decoding';

/** Bytes as they come out of a socket (Buffer in Node, ArrayBuffer in a browser) as a view; undefined for anything else. */
export function toBytes(value: unknown): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  return ArrayBuffer.isView(value)
    ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
    : undefined;
}

/**
 * `count` bytes at the decoder as a view, or undefined when fewer are left. lib0's own reader checks
 * against the whole ArrayBuffer only, so a length that lies would show a neighbour's bytes of a pooled Buffer.
 */
export function readBytes(decoder: decoding.Decoder, count: number): Uint8Array | undefined {
  if (!Number.isSafeInteger(count) || count < 0 || decoder.pos + count > decoder.arr.byteLength)
    return undefined;
  const view = decoder.arr.subarray(decoder.pos, decoder.pos + count);
  decoder.pos += count;
  return view;
}

/**
 * The same bytes in an ArrayBuffer of their own, for decoders that are not ours: lib0's readers check a length
 * against the whole ArrayBuffer, and Yjs keeps views of binary content. So a lie cannot reach the neighbours of
 * a pooled Buffer, and ten bytes of content do not hold a frame of 256 kB.
 */
export function exactBytes(view: Uint8Array): Uint8Array<ArrayBuffer> {
  return view.byteLength === view.buffer.byteLength && view.buffer instanceof ArrayBuffer
    ? (view as Uint8Array<ArrayBuffer>)
    : new Uint8Array(view); // not slice(): a Buffer's slice is again a view
}

/** Bytes of the longest VarUint: 2^53 - 1 has 53 bits, 7 in each byte. */
const MAX_VAR_UINT_BYTES = 8;

/** A VarUint, or undefined when it is cut off, above 2^53 - 1 or longer than it needs to be. */
export function readCount(decoder: decoding.Decoder): number | undefined {
  const { arr } = decoder;
  let value = 0;
  let factor = 1;
  for (let i = 0; i < MAX_VAR_UINT_BYTES; i++) {
    const byte = arr[decoder.pos];
    if (byte === undefined) return undefined;
    decoder.pos++;
    value += (byte & 0x7f) * factor;
    factor *= 128;
    if (byte < 0x80) {
      const isShortest = byte !== 0 || i === 0;
      return isShortest && Number.isSafeInteger(value) ? value : undefined;
    }
  }
  return undefined;
}

/** A length-prefixed view, or undefined when the length goes beyond the input. */
export function readLengthPrefixed(decoder: decoding.Decoder): Uint8Array | undefined {
  const length = readCount(decoder);
  return length === undefined ? undefined : readBytes(decoder, length);
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A length-prefixed UTF-8 text, or undefined when it is cut off, not UTF-8 or longer than `maxBytes`. */
export function readText(decoder: decoding.Decoder, maxBytes = Infinity): string | undefined {
  const bytes = readLengthPrefixed(decoder);
  return bytes === undefined || bytes.byteLength > maxBytes ? undefined : decodeText(bytes);
}

export function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined; // not UTF-8
  }
}
