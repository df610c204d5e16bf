import * as Y from 'yjs';

/** Smaller states are quickly copied. */
const LARGE_BYTES = 1024 * 1024;
const HEAD_ROOM_BYTES = 64 * 1024;
/** What of the room must be used, so that the state may stay in it. */
const FULL_SHARE = 7 / 8;

/**
 * `Y.encodeStateAsUpdate` of a document that was made from so many bytes. A large state is written into one piece of
 * memory of about its size and stays there; Yjs would write it into growing pieces and copy them together, which is twice
 * the state at once.
 */
export function encodeWholeState(doc: Y.Doc, inputBytes: number): Uint8Array {
  if (inputBytes < LARGE_BYTES) return Y.encodeStateAsUpdate(doc);
  // Not a subclass: Yjs asks for the very class when there are pending structs to be merged in.
  const encoder = new Y.UpdateEncoderV1();
  const { restEncoder } = encoder;
  restEncoder.cbuf = new Uint8Array(inputBytes + HEAD_ROOM_BYTES);
  const joined = encoder.toUint8Array.bind(encoder);
  encoder.toUint8Array = () =>
    restEncoder.bufs.length === 0 && restEncoder.cpos >= FULL_SHARE * restEncoder.cbuf.byteLength
      ? restEncoder.cbuf.subarray(0, restEncoder.cpos)
      : joined();
  return Y.encodeStateAsUpdateV2(doc, undefined, encoder);
}
