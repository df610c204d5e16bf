import { describe, expect, it } from '@jest/globals';
import {
  CHUNK_HEAD_BYTES,
  ChunkAssembler,
  decodeClientFrame,
  FrameKind,
  splitFrame,
  type Chunk,
} from '../../../lib/protocol/index.ts';
import { toHex } from '../../support/hex.ts';

const bytesOf = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 31) & 0xff);

function chunkOf(frame: Uint8Array): Chunk {
  const result = decodeClientFrame(frame);
  if (!result.ok || result.value.kind !== FrameKind.Chunk) throw new Error('not a chunk');
  return result.value.chunk;
}

describe('chunks', () => {
  it('leaves a frame alone that fits', () => {
    const frame = bytesOf(100);
    expect([...splitFrame(frame, 1, 100)]).toEqual([frame]);
  });

  it.each([101, 150, 1000, 75 * 7])(
    'cuts %i bytes into frames of at most 100 and puts them together',
    (length) => {
      const frame = bytesOf(length);
      const parts = [...splitFrame(frame, 9, 100)];
      expect(parts.every((part) => part.byteLength <= 100)).toBe(true);
      expect(parts).toHaveLength(Math.ceil(length / (100 - CHUNK_HEAD_BYTES)));
      const assembler = new ChunkAssembler(length);
      const results = parts.map((part) => assembler.add(chunkOf(part)));
      expect(results.slice(0, -1).every((result) => result.ok && result.value === undefined)).toBe(true);
      const last = results.at(-1);
      expect(last?.ok && last.value && toHex(last.value)).toBe(toHex(frame));
      expect(assembler.bytes).toBe(0);
    },
  );

  it('keeps what it has when the buffer of a chunk is used again', () => {
    const assembler = new ChunkAssembler(100);
    const pooled = Buffer.from([1, 2, 3, 4]);
    assembler.add({ id: 1, index: 0, count: 2, bytes: pooled.subarray(0, 2) });
    pooled.fill(9);
    const whole = assembler.add({ id: 1, index: 1, count: 2, bytes: pooled.subarray(2) });
    expect(whole.ok && whole.value && [...whole.value]).toEqual([1, 2, 9, 9]);
  });

  it('refuses more than its bound without collecting it, and begins anew afterwards', () => {
    const assembler = new ChunkAssembler(10);
    const bytes = bytesOf(6);
    expect(assembler.add({ id: 1, index: 0, count: 2, bytes }).ok).toBe(true);
    expect(assembler.add({ id: 1, index: 1, count: 2, bytes })).toMatchObject({
      ok: false,
      failure: { code: 'UPDATE_TOO_LARGE' },
    });
    expect(assembler.bytes).toBe(0);
    expect(assembler.add({ id: 2, index: 0, count: 1, bytes })).toMatchObject({ ok: true, value: bytes });
  });

  it.each([
    ['begins in the middle', { id: 2, index: 1, count: 3 }],
    ['skips one', { id: 1, index: 2, count: 3 }],
    ['belongs to another message', { id: 3, index: 1, count: 3 }],
    ['announces another count', { id: 1, index: 1, count: 4 }],
  ])('refuses a chunk that %s, and what it had before', (_what, head) => {
    const assembler = new ChunkAssembler(100);
    const bytes = bytesOf(3);
    assembler.add({ id: 1, index: 0, count: 3, bytes });
    expect(assembler.add({ ...head, bytes })).toMatchObject({ ok: false, failure: { code: 'BAD_CHUNK' } });
    expect(assembler.bytes).toBe(0);
    expect(assembler.add({ id: 1, index: 1, count: 3, bytes }).ok).toBe(false);
  });

  it('does not believe an announced count: a hundred thousand one-byte chunks cost little more than their bytes', () => {
    const assembler = new ChunkAssembler(1 << 20);
    const count = 100_000;
    let last;
    for (let index = 0; index < count; index++) {
      last = assembler.add({ id: 1, index, count, bytes: Uint8Array.of(index & 0xff) });
    }
    const frame = last?.ok ? last.value : undefined;
    expect(frame?.byteLength).toBe(count);
    expect(frame!.buffer.byteLength).toBeLessThanOrEqual(2 * count);
  });
});
