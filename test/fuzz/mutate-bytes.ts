import type { SeededRandom } from './random.ts';

const BYTES = [0, 1, 2, 3, 4, 5, 6, 0x22, 0x5b, 0x7b, 0x7d, 0x7f, 0x80, 0xfe, 0xff];

/** VarUints that a reader must refuse or survive: overlong, cut off, beyond 2^53, and the borders. */
const VARINTS = [
  [0x80, 0x00],
  [0x80],
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
  [0xff, 0xff, 0x7f],
  [0x00],
];

function flipBits(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  const flipped = bytes.slice();
  for (let count = 1 + random.below(6); count > 0 && flipped.byteLength > 0; count--)
    flipped[random.below(flipped.byteLength)]! ^= 1 << random.below(8);
  return flipped;
}

function setBytes(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  const set = bytes.slice();
  for (let count = 1 + random.below(4); count > 0 && set.byteLength > 0; count--)
    set[random.below(set.byteLength)] = random.pick(BYTES);
  return set;
}

/** One after the other; not a Buffer, whose `slice` would be a view. */
export function joined(parts: readonly ArrayLike<number>[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function insert(bytes: Uint8Array, at: number, inserted: ArrayLike<number>): Uint8Array {
  return joined([bytes.subarray(0, at), inserted, bytes.subarray(at)]);
}

function replaceByte(bytes: Uint8Array, at: number, by: readonly number[]): Uint8Array {
  return joined([bytes.subarray(0, at), by, bytes.subarray(at + 1)]);
}

const BYTE_MUTATIONS: ((bytes: Uint8Array, random: SeededRandom) => Uint8Array)[] = [
  flipBits,
  setBytes,
  (bytes, random) => bytes.slice(0, random.below(bytes.byteLength + 1)),
  (bytes, random) => bytes.slice(random.below(bytes.byteLength + 1)),
  (bytes, random) => insert(bytes, random.below(bytes.byteLength + 1), random.bytes(1 + random.below(8))),
  (bytes, random) => replaceByte(bytes, random.below(bytes.byteLength), random.pick(VARINTS)),
  (bytes, random) => {
    const from = random.below(bytes.byteLength);
    const part = bytes.slice(from, from + 1 + random.below(64));
    return insert(bytes, random.below(bytes.byteLength + 1), part);
  },
  (bytes, random) => {
    const from = random.below(bytes.byteLength);
    const to = Math.min(bytes.byteLength, from + 1 + random.below(32));
    return joined([bytes.subarray(0, from), bytes.subarray(to)]);
  },
];

/** One or two changes that know nothing of what the bytes mean. */
export function mutateBytes(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  let mutated = bytes;
  for (let count = 1 + random.below(2); count > 0; count--)
    if (mutated.byteLength > 0) mutated = random.pick(BYTE_MUTATIONS)(mutated, random);
  return mutated;
}
