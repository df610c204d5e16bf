const SEED = 0x9747b28c;
const M = 0x5bd1e995;
const R = 24;

const encoder = new TextEncoder();

/**
 * Kafka's murmur2 (org.apache.kafka.common.utils.Utils) as a signed 32-bit integer. Ours and not a client
 * library's, because a room's partition must stay the same for ever, whichever library reads or writes.
 */
export function murmur2(bytes: Uint8Array): number {
  const length = bytes.byteLength;
  const view = new DataView(bytes.buffer, bytes.byteOffset, length);
  const wholeBytes = length & ~3;
  let h = SEED ^ length;
  for (let at = 0; at < wholeBytes; at += 4) {
    let k = Math.imul(view.getInt32(at, true), M);
    k = Math.imul(k ^ (k >>> R), M);
    h = Math.imul(h, M) ^ k;
  }
  if (length > wholeBytes) {
    for (let at = length - 1; at >= wholeBytes; at--) h ^= bytes[at]! << (8 * (at - wholeBytes));
    h = Math.imul(h, M);
  }
  h = Math.imul(h ^ (h >>> 13), M);
  return h ^ (h >>> 15);
}

/** The partition of a room: Kafka's positive murmur2 of the UTF-8 of `tenantId/roomId`, mod `partitions`. */
export function partitionOf(tenantId: string, roomId: string, partitions: number): number {
  return (murmur2(encoder.encode(`${tenantId}/${roomId}`)) & 0x7fffffff) % partitions;
}
