import { describe, expect, it } from '@jest/globals';
import { pack, packGiven, unpack } from '../../../lib/codec/packing.ts';

const MB = 1024 ** 2;

/** Counts pauses, and tells how much was copied between two of them. */
function pausing() {
  const pauses = { count: 0, pause: () => Promise.resolve(void pauses.count++) };
  return pauses;
}

describe('packing', () => {
  it('copies views into buffers of about a megabyte, with a pause between them', async () => {
    const memory = new Uint8Array(5 * MB).map((_, at) => at % 251);
    const parts = Array.from({ length: 20 }, (_, n) => memory.subarray(n * 250_000, (n + 1) * 250_000));
    const pauses = pausing();
    const packed = await pack(parts, pauses.pause);
    expect(packed.buffers.map(({ byteLength }) => byteLength)).toEqual([
      1_250_000, 1_250_000, 1_250_000, 1_250_000,
    ]);
    expect(pauses.count).toBe(3);
    const back = unpack(packed);
    expect(back).toHaveLength(20);
    expect(back.every((part, n) => Buffer.compare(part, parts[n]!) === 0)).toBe(true);
    packed.buffers.forEach((buffer) => structuredClone(buffer, { transfer: [buffer] }));
    expect(memory[4 * MB]).toBe((4 * MB) % 251);
  });

  it('small parts go in one buffer at once; none is none', async () => {
    const pauses = pausing();
    const parts = [Uint8Array.of(1), new Uint8Array(0), Uint8Array.of(2, 3)];
    const packed = await pack(parts, pauses.pause);
    expect(packed.buffers).toHaveLength(1);
    expect(unpack(packed)).toEqual(parts);
    expect(unpack(await pack([], pauses.pause))).toEqual([]);
    expect(pauses.count).toBe(0);
  });

  it('memory that was given away is moved, not copied; a view on more is copied', async () => {
    const pauses = pausing();
    const given = new Uint8Array(2 * MB).fill(7);
    const moved = await packGiven(given, [Uint8Array.of(1)], pauses.pause);
    expect(moved.buffers[0]).toBe(given.buffer);
    expect(unpack(moved)).toEqual([given, Uint8Array.of(1)]);
    const copied = await packGiven(given.subarray(1), [Uint8Array.of(1)], pauses.pause);
    expect(copied.buffers[0]).not.toBe(given.buffer);
    expect(unpack(copied).map(({ byteLength }) => byteLength)).toEqual([2 * MB - 1, 1]);
  });
});
