import * as decoding from 'lib0/decoding';
import { readCount } from './bytes.ts';

/**
 * True for a Yjs state vector (V1): VarUint count, { VarUint client, VarUint clock }*, nothing behind it. What a
 * client asks with is checked where it comes in: further inside it would fail like a part that is away.
 */
export function isStateVector(bytes: Uint8Array): boolean {
  const decoder = decoding.createDecoder(bytes);
  const count = readCount(decoder);
  if (count === undefined) return false;
  for (let i = 0; i < count; i++)
    if (readCount(decoder) === undefined || readCount(decoder) === undefined) return false;
  return !decoding.hasContent(decoder);
}
