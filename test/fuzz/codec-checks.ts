import { isDeepStrictEqual } from 'node:util';
import type { Decoded } from '../../lib/protocol/failures.ts';
import { NACK_CODES } from '../../lib/protocol/nack-codes.ts';

/** What does not hold for a reader. */
export class Fault extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'Fault';
  }
}

export function check(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Fault(otherwise);
}

/** Around the input in its buffer, as in a pooled Buffer: who reads beyond the input reads this. */
const NEIGHBOURS = 64;

/** The input in the middle of a larger buffer. */
export function embedded(input: Uint8Array): Uint8Array {
  const around = new Uint8Array(input.byteLength + 2 * NEIGHBOURS).fill(0x01);
  around.set(input, NEIGHBOURS);
  return around.subarray(NEIGHBOURS, NEIGHBOURS + input.byteLength);
}

const CODES: ReadonlySet<string> = new Set(Object.keys(NACK_CODES));
/** What V8 spends on an object, a property of it, a view or a text, about. */
const COST = { object: 64, property: 8, view: 200, text: 32 } as const;
const FREE_BYTES = 64 * 1024;
const MAX_GROWTH = 8;

/** Reads the input: the failure is one of ours, and what came out lies inside the input and is bounded by it. */
export function read<T>(decode: (bytes: Uint8Array) => Decoded<T>, input: Uint8Array): T | undefined {
  const bytes = embedded(input);
  const result = decode(bytes);
  if (!result.ok) {
    check(CODES.has(result.failure.code), `the failure ${result.failure.code} is none of ours`);
    return undefined;
  }
  const cost = costOf(result.value, bytes);
  check(cost <= MAX_GROWTH * input.byteLength + FREE_BYTES, 'what was read is far larger than the input');
  return result.value;
}

function costOf(value: unknown, input: Uint8Array): number {
  if (typeof value === 'string') return COST.text + 2 * value.length;
  if (value instanceof Uint8Array) {
    const start = value.byteOffset - input.byteOffset;
    const isInside =
      value.buffer !== input.buffer || (start >= 0 && start + value.byteLength <= input.byteLength);
    check(isInside, 'a view reaches beyond the input');
    return COST.view;
  }
  if (typeof value !== 'object' || value === null) return 0;
  let cost: number = COST.object;
  for (const inner of Object.values(value)) cost += COST.property + costOf(inner, input);
  return cost;
}

export interface RoundTrip<T> {
  decode: (bytes: Uint8Array) => Decoded<T>;
  encode: (value: T) => Uint8Array;
  /** Failures that may come of writing it again. */
  mayFail?: readonly string[];
}

/** What was read is written so that it is read again, and is then the same. */
export function checkRoundTrip<T>(input: Uint8Array, { decode, encode, mayFail = [] }: RoundTrip<T>): void {
  const value = read(decode, input);
  if (value === undefined) return;
  const written = encode(value);
  const again = decode(written);
  if (!again.ok)
    return check(mayFail.includes(again.failure.code), `written again it is ${again.failure.code}`);
  check(isDeepStrictEqual(encode(again.value), written), 'written again it is another');
}
