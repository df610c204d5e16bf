import * as decoding from 'lib0/decoding';

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

/** A VarUint, or undefined when it is cut off, over-long or above 2^53 - 1. */
export function readCount(decoder: decoding.Decoder): number | undefined {
  try {
    const value = decoding.readVarUint(decoder);
    return Number.isSafeInteger(value) && value >= 0 ? value : undefined;
  } catch {
    return undefined; // lib0 throws on truncation and overflow; both mean: not a VarUint
  }
}

/** A length-prefixed view, or undefined when the length goes beyond the input. */
export function readLengthPrefixed(decoder: decoding.Decoder): Uint8Array | undefined {
  const length = readCount(decoder);
  return length === undefined ? undefined : readBytes(decoder, length);
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A length-prefixed UTF-8 text, or undefined when it is cut off or not UTF-8. */
export function readText(decoder: decoding.Decoder): string | undefined {
  const bytes = readLengthPrefixed(decoder);
  return bytes === undefined ? undefined : decodeText(bytes);
}

export function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined; // not UTF-8
  }
}
