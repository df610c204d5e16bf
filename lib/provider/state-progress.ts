import * as decoding from 'lib0/decoding';
import {
  FrameKind,
  parseBoundedJson,
  readLengthPrefixed,
  validateAddress,
  type Chunk,
  type DocumentAddress,
} from '../protocol/index.ts';

/** Follows the chunks of a state, whose head (and so its document) is readable from the first one on. */
export class StateProgress {
  #address: DocumentAddress | undefined;
  #receivedBytes = 0;

  /** The document and the bytes so far; undefined when the chunks are not those of a state. */
  add(chunk: Chunk): { address: DocumentAddress; receivedBytes: number } | undefined {
    if (chunk.index === 0) {
      this.#address = addressOf(chunk.bytes);
      this.#receivedBytes = 0;
    }
    this.#receivedBytes += chunk.bytes.byteLength;
    return this.#address && { address: this.#address, receivedBytes: this.#receivedBytes };
  }
}

/** Undefined when the head is longer than one chunk or unreadable: the state then shows no progress. */
function addressOf(frameStart: Uint8Array): DocumentAddress | undefined {
  if (frameStart[0] !== FrameKind.State) return undefined;
  const head = readLengthPrefixed(decoding.createDecoder(frameStart.subarray(1)));
  const parsed = head && parseBoundedJson(head);
  if (!parsed?.ok || typeof parsed.value !== 'object' || parsed.value === null) return undefined;
  const address = validateAddress(parsed.value as Record<string, unknown>);
  return address.ok ? address.value : undefined;
}
